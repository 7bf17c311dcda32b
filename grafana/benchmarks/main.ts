// `npm run benchmarks`: measures again what is asked for, then writes BENCHMARKS.md from all figures
// that are there. Exits 1 where a command was not content with what it saw, 2 where it could not run.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { onEnding } from '#knative/local/ending.ts';
import { killAllProcesses } from '#knative/local/process.ts';
import { sayOnStderr } from '#knative/local/say.ts';
import { messageOf } from '#knative/local/stores/healthy.ts';
import { type Part, parts, readFigures } from './figures.ts';
import { commandLine, measure } from './measure.ts';
import { benchmarksPage } from './page.ts';

const usage = `Usage: npm run benchmarks -- [--measure [PART,…]]

Writes grafana/BENCHMARKS.md from the figures in grafana/benchmarks/figures. With --measure the parts
are measured first, one after the other; on a machine that does nothing else.

${parts.map((part) => `  ${part.padEnd(18)}${commandLine(part)}`).join('\n')}

--measure all: all but soak, which takes half an hour more. load-… need k6 (npm run load says how).

Exit status 0: done; 1: a command was not content with what it saw (its figures are kept, and the
page says so); 2: one could not run, and its figures are the earlier ones.`;

const exits = { ok: 0, discontent: 1, unable: 2, interrupted: 130 } as const;
const page = join(import.meta.dirname, '../BENCHMARKS.md');
const takesLong: Part = 'soak';

/** Undefined where help is asked for. Throws where something else is. */
function readArguments(args: readonly string[]): readonly Part[] | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: { measure: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } },
  });
  if (values.help) return undefined;
  if (values.measure === undefined) return [];
  if (values.measure === 'all') return parts.filter((part) => part !== takesLong);
  return values.measure.split(',').map((text) => {
    const part = parts.find((one) => one === text);
    if (part === undefined) throw new Error(`--measure: all, or of ${parts.join(', ')}`);
    return part;
  });
}

async function main(asked: readonly Part[], interrupted: AbortSignal): Promise<number> {
  let status: number = exits.ok;
  for (const part of asked) {
    sayOnStderr(part, `${commandLine(part)} …`);
    try {
      const ended = await measure(part, { say: sayOnStderr, interrupted });
      if (ended !== 0) status = Math.max(status, exits.discontent);
    } catch (error) {
      if (interrupted.aborted) return exits.interrupted;
      sayOnStderr(part, messageOf(error));
      status = exits.unable;
    }
  }
  writeFileSync(page, benchmarksPage(readFigures()));
  return status;
}

const interrupting = new AbortController();
onEnding({
  leave() {
    interrupting.abort();
    killAllProcesses();
    process.exitCode = exits.interrupted;
  },
  kill() {
    process.exit(exits.interrupted);
  },
});
try {
  const asked = readArguments(process.argv.slice(2));
  if (asked === undefined) console.log(usage);
  else process.exitCode = await main(asked, interrupting.signal);
} catch (error) {
  console.error(`${messageOf(error)}\n\n${usage}`);
  process.exitCode = exits.unable;
}
