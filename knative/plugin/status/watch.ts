// Looks again and again, and shows each look: on a terminal in place, else line by line or as
// JSON. A look that fails is told of and tried again; only the first one has to succeed.

import { setTimeout } from 'node:timers/promises';
import type { Invocation, Terminal } from '../command.ts';
import { CliError, exits } from '../exit.ts';
import { showClock, showCount, showDuration } from './figures.ts';
import type { Source } from './look.ts';
import { createAlarmLines, plainLine } from './plain.ts';
import { createReporter, type Reporter } from './reporter.ts';
import { openScreen, paint } from './screen.ts';
import type { Status } from './status-document.ts';
import { type Line, viewOf } from './view.ts';

export interface Watch {
  readonly source: Source;
  readonly productId: string | undefined;
  readonly intervalMs: number;
  readonly given: Invocation;
}

interface Display {
  show(status: Status): void;
  /** A look has failed. */
  miss(why: string): void;
  close(): void;
}

/** Two looks, an interval apart: the least that makes a rate. */
export async function lookOnce({ source, productId, intervalMs, given }: Watch): Promise<void> {
  const reporter = createReporter({ source, productId });
  let status = reporter.report(await source.look());
  if (!status.asleep) {
    given.say(`measuring for ${showDuration(intervalMs)} …`);
    await setTimeout(intervalMs, undefined, { signal: given.io.interrupted });
    status = reporter.report(await source.look());
  }
  given.print(status, () => {
    const { terminal } = given.io;
    const columns = terminal?.columns() ?? Number.POSITIVE_INFINITY;
    const view = { columns, rows: Number.POSITIVE_INFINITY, productId, pace: [] };
    const lines = viewOf(status, view);
    return lines.map((line) => `${paint(line, hasColors(given))}\n`).join('');
  });
}

/** Until Ctrl-C; rejects with CliError in the end, which tells what was seen. */
export async function watch(options: Watch): Promise<never> {
  const { source, productId, intervalMs, given } = options;
  const { interrupted } = given.io;
  const reporter = createReporter({ source, productId });
  let status = reporter.report(await source.look());
  const display = displayOf(options, reporter);
  try {
    display.show(status);
    for (let startedAt = performance.now(); !interrupted.aborted; ) {
      await pause(startedAt + intervalMs - performance.now(), interrupted);
      startedAt = performance.now();
      try {
        status = reporter.report(await source.look());
        display.show(status);
      } catch (error) {
        if (hasEnded(interrupted)) break;
        display.miss(error instanceof Error ? error.message : String(error));
      }
    }
  } finally {
    display.close();
  }
  const { accepted, rows } = status.counted;
  const what = `${showCount(accepted)} purchases accepted, ${showCount(rows)} rows`;
  const watched = showDuration(status.watchedSeconds * 1_000);
  throw new CliError(`ended by you after ${watched}: ${what}`, exits.interrupted);
}

/** It may have happened while we waited. */
const hasEnded = (signal: AbortSignal) => signal.aborted;

async function pause(ms: number, interrupted: AbortSignal): Promise<void> {
  await setTimeout(Math.max(0, ms), undefined, { signal: interrupted }).catch(() => undefined);
}

function displayOf({ productId, given }: Watch, reporter: Reporter): Display {
  const { isJson, io } = given;
  if (isJson) {
    return linesOf((status) => {
      io.out(`${JSON.stringify(status)}\n`);
    }, given);
  }
  if (io.terminal !== undefined) {
    return screenOf(io.out, io.terminal, { productId, reporter, hasColors: hasColors(given) });
  }
  const alarms = createAlarmLines();
  return linesOf((status) => {
    io.out(`${plainLine(status)}${alarms(status)}`);
  }, given);
}

/** Nothing before there are rates. */
function linesOf(print: (status: Status) => void, given: Invocation): Display {
  return {
    show(status) {
      if (status.asleep || status.measuredSeconds > 0) print(status);
    },
    miss(why) {
      given.say(`${why}; trying again`);
    },
    close: () => undefined,
  };
}

interface ScreenOptions {
  readonly productId: string | undefined;
  readonly reporter: Reporter;
  readonly hasColors: boolean;
}

function screenOf(
  out: (text: string) => void,
  terminal: Terminal,
  { productId, reporter, hasColors: colours }: ScreenOptions,
): Display {
  const screen = openScreen(out, colours);
  let last: Status | undefined;
  let missed: Line | undefined;
  const draw = () => {
    if (last === undefined) return;
    const [columns, rows] = [terminal.columns(), terminal.rows()];
    const spans = reporter.counting.intervals(paceIntervals);
    const accepted = { labels: { outcome: 'accepted' } };
    const pace = spans.map((span) => span.increase('seckill_requests_total', accepted));
    const bottom = missed === undefined ? [] : [missed];
    const view = viewOf(last, { productId, pace, columns, rows: rows - bottom.length });
    screen.draw([...view, ...bottom]);
  };
  const stopListening = terminal.onResize(draw);
  return {
    show(status) {
      [last, missed] = [status, undefined];
      draw();
    },
    miss(why) {
      const at = showClock(new Date().toISOString());
      missed = { text: `${at} ${why}; trying again`, tone: 'alarm' };
      draw();
    },
    close() {
      stopListening();
      screen.close();
    },
  };
}

const paceIntervals = 30;

/** https://no-color.org: set and not empty means none. */
function hasColors({ io: { env, terminal } }: Invocation): boolean {
  return (terminal?.hasColors ?? false) && (env.NO_COLOR ?? '') === '';
}
