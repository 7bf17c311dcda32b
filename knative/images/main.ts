// `npm run images`: builds the images of this commit, and pushes them where it is asked to.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  buildCommand,
  type Engine,
  engines,
  type ImageName,
  imageNames,
  moreImageNames,
  type Release,
  tagOf,
} from './images.ts';

const root = resolve(import.meta.dirname, '../..');
const engineAnswerMs = 10_000;

const help = `Usage: npm run images -- [NAME…] [options]
Builds ${imageNames.join(', ')} (or those named; ${moreImageNames.join(', ')} only when named).
  --engine E       ${engines.join(', ')}; without it the first of them that answers
  --registry R     before the names (ghcr.io/seckill)
  --tag T          behind the names (the version in package.json)
  --build-arg A=V  for the Containerfile, for instance BASE_IMAGE=…; may be repeated
  --push           push what was built
`;

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      engine: { type: 'string' },
      registry: { type: 'string', default: 'ghcr.io/seckill' },
      tag: { type: 'string' },
      'build-arg': { type: 'string', multiple: true, default: [] },
      push: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const names = positionals.length === 0 ? imageNames : positionals.map(imageName);
  const release: Release = {
    ...commit(),
    registry: values.registry,
    version: values.tag ?? packageVersion(),
    buildArgs: values['build-arg'],
  };
  const engine = values.engine === undefined ? answeringEngine() : engineName(values.engine);
  for (const name of names) {
    run(buildCommand(engine, name, release));
    if (values.push) run([engine, 'push', tagOf(release, name)]);
    process.stdout.write(`${tagOf(release, name)}\n`);
  }
}

function imageName(text: string): ImageName {
  const found = [...imageNames, ...moreImageNames].find((name) => name === text);
  if (found === undefined) throw new Error(`there is no image ${text}\n${help}`);
  return found;
}

function engineName(text: string): Engine {
  const found = engines.find((name) => name === text);
  if (found === undefined) throw new Error(`the engine is one of ${engines.join(', ')}`);
  return found;
}

/** A client alone does not do: its engine has to answer. */
function answeringEngine(): Engine {
  const found = engines.find(
    (engine) => spawnSync(engine, ['info'], { timeout: engineAnswerMs }).status === 0,
  );
  if (found !== undefined) return found;
  throw new Error(`none of ${engines.join(', ')} answers here; \`ENGINE info\` says why`);
}

function packageVersion(): string {
  const text = readFileSync(join(root, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function commit(): Pick<Release, 'revision' | 'committedAtSeconds'> {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8' });
  const dirty = git('status', '--porcelain').trim() === '' ? '' : '-dirty';
  const [hash = '', seconds = ''] = git('log', '-1', '--format=%H %ct').trim().split(' ');
  return { revision: `${hash}${dirty}`, committedAtSeconds: Number(seconds) };
}

/** What the engine says goes to standard error; standard output is for the names of the images. */
function run([command = '', ...args]: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  throw new Error(`${command} ${args[0] ?? ''} failed${error ? `: ${error.message}` : ''}`);
}

try {
  main();
} catch (error) {
  process.stderr.write(`images: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
