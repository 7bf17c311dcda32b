// Measures one part by the command that anybody would type, and keeps what it said.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, release, type as systemName, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import type { Say } from '#knative/local/say.ts';
import type { Nodes } from '#knative/local/topology.ts';
import { startTestRuntime } from '#lib/testing/runtime.ts';
import { type Machine, type Measured, type Part, type Parts, writePart } from './figures.ts';

const root = resolve(import.meta.dirname, '../..');

interface Context {
  readonly say: Say;
  readonly interrupted: AbortSignal;
}

/** What is typed, after `npm run`; figures are read from the file of `--out`, or what is printed. */
const commands = {
  bench: ['bench', '--rounds', '1'],
  growth: ['bench', '--growth', '--seconds', '4'],
  'load-one-node': ['load', 'one-node'],
  'load-three-nodes': ['load', 'three-nodes'],
  soak: ['soak', '--minutes', '30', '--rate', '500'],
} as const satisfies Record<Part, readonly string[]>;

const programs = {
  bench: 'knative/local/bench/main.ts',
  load: 'grafana/k6/main.ts',
  soak: 'knative/local/soak/main.ts',
} as const;

/** Resolves with the exit status of the command; its figures are kept where it gave any. */
export async function measure(part: Part, context: Context): Promise<number> {
  switch (part) {
    case 'bench':
    case 'growth':
    case 'soak':
      return measureToFile(part, context);
    case 'load-one-node':
      return measureLoad(part, 1, context);
    case 'load-three-nodes':
      return measureLoad(part, 3, context);
  }
}

async function measureToFile(part: 'bench' | 'growth' | 'soak', context: Context) {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-benchmarks-'));
  const file = join(folder, 'figures.json');
  try {
    const { status } = await run([...commands[part], '--out', file], {}, context);
    keep(part, status, readFileSync(file, 'utf8'));
    return status;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureLoad(
  part: 'load-one-node' | 'load-three-nodes',
  nodes: Nodes,
  context: Context,
): Promise<number> {
  const system = await startTestRuntime({}, { nodes, say: context.say });
  try {
    const ran = await run([...commands[part], '-o', 'json'], system.env, context);
    keep(part, ran.status, ran.stdout);
    return ran.status;
  } finally {
    await system.stop();
  }
}

/** Throws where the text is no figures: the command has said why on standard error. */
function keep(part: Part, status: number, text: string): void {
  if (text.trim() === '') throw new Error(`${commandLine(part)} gave no figures (exit ${status})`);
  const figures = JSON.parse(text) as Parts[Part];
  const measured: Measured<Parts[Part]> = {
    ...{ command: commandLine(part), at: new Date().toISOString() },
    ...{ machine: thisMachine(), status, figures },
  };
  writePart(part, measured);
}

export function commandLine(part: Part): string {
  const [name, ...options] = commands[part];
  return `npm run ${name} -- ${options.join(' ')}`;
}

function run(
  [name, ...args]: readonly [keyof typeof programs, ...string[]],
  env: Readonly<Record<string, string>>,
  { interrupted }: Context,
): Promise<{ status: number; stdout: string }> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [resolve(root, programs[name]), ...args], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    interrupted.addEventListener('abort', () => child.kill('SIGINT'));
    child.once('error', fail);
    child.once('exit', (status) => {
      done({ status: status ?? 130, stdout });
    });
  });
}

function thisMachine(): Machine {
  return {
    ...{ cpus: availableParallelism(), model: cpus()[0]?.model ?? '' },
    memoryGb: Math.round(totalmem() / 1e9),
    ...{ system: `${systemName()} ${release()}`, node: process.version },
  };
}
