// The load generator: found where it was installed, and run on one of the scripts. It ends with us.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { lastLines } from '#knative/local/last-lines.ts';
import { startProcess } from '#knative/local/process.ts';
import { lookUp } from '#knative/local/stores/programs.ts';
import { readAnswers } from './answers.ts';
import type { ScenarioName } from './plans.ts';
import type { AnswerLine, Summary } from './run-file.ts';

/** A run as it is on disk. */
export interface RunFolder {
  readonly path: string;
  readonly runFile: string;
  readonly summaryFile: string;
}

export interface Played {
  readonly answers: readonly AnswerLine[];
  readonly summary: Summary;
}

/** Puts a scenario's load on the system; rejects where that did not go to its end. */
export type Play = (
  scenario: ScenarioName,
  folder: RunFolder,
  say: (text: string) => void,
) => Promise<Played>;

export const howToInstall = `k6, the load generator, is not installed. One of these helps:
  · go install go.k6.io/k6@latest      (Go; it is found in Go's own bin folder)
  · a package: brew install k6, or https://grafana.com/docs/k6/latest/set-up/install-k6/`;

/** The scripts are TypeScript, which k6 runs by itself from then on. */
const majorMin = 1;
const progressEveryMs = 5_000;
/** k6 waits for what is under way when it is told to end. */
const graceMs = 20_000;
/** k6's own exit status where a threshold has failed: the judge will say which. */
const thresholdsFailed = 99;

/** Where k6 is; undefined where it isn't. Go puts what it installs into a folder of its own. */
export function findK6(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const { GOBIN, GOPATH = join(homedir(), 'go') } = env;
  return lookUp('k6', [...(GOBIN ? [GOBIN] : []), join(GOPATH, 'bin')]);
}

/** Rejects where it is too old for the scripts. */
export async function assertRunsTypeScript(k6: string): Promise<void> {
  const { stdout } = await promisify(execFile)(k6, ['version']);
  const [, major = '0'] = /v(\d+)\./.exec(stdout) ?? [];
  if (Number(major) < majorMin) {
    throw new Error(`${k6} is too old (${stdout.trim()}): k6 ${majorMin}.0 or newer is needed`);
  }
}

export function scriptOf(scenario: ScenarioName): string {
  return resolve(import.meta.dirname, 'scenarios', `${scenario}.ts`);
}

export function createPlay(k6: string): Play {
  return async (scenario, { path, runFile, summaryFile }, say) => {
    const answersFile = join(path, 'answers.jsonl');
    const running = await startProcess({
      name: 'k6',
      command: k6,
      args: [
        ...['run', '--env', `RUN=${runFile}`, '--no-usage-report', '--no-color'],
        // No server of its own; and each console.log is a line of the log as it is.
        ...['--address', '', '--log-format', 'raw', '--console-output', answersFile],
        scriptOf(scenario),
      ],
      // It shares the machine with what it drives: rarer garbage collection for a little memory.
      env: { GOGC: '400', ...process.env },
      logFile: join(path, 'k6.log'),
      graceMs,
    });
    const ended = new AbortController();
    const progress = sayProgress(running.logFile, say, ended.signal);
    const status = await running.exited;
    ended.abort();
    await progress;
    if (status !== 0 && status !== thresholdsFailed) {
      throw new Error(`k6 failed (status ${status}):\n${lastLines(running.logFile)}`);
    }
    const summary = JSON.parse(readFileSync(summaryFile, 'utf8')) as Summary;
    return { answers: readAnswers(answersFile), summary };
  };
}

/** k6 writes a line each second, which says how far it is. */
async function sayProgress(logFile: string, say: (text: string) => void, ended: AbortSignal) {
  const wait = () =>
    setTimeout(progressEveryMs, true, { signal: ended }).catch((): boolean => false);
  while (await wait()) {
    const found = readFileSync(logFile, 'utf8')
      .match(/^running \(.*$/gm)
      ?.at(-1);
    if (found !== undefined) say(found);
  }
}
