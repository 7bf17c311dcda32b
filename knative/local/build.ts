// One bundle per program that is deployed: `functions/<name>/main.ts` becomes
// `dist/<name>/main.cjs` (CommonJS: kafkajs, ioredis and etcd3 can't be bundled as ES modules),
// with all it reads at run time beside it, and so do the tools. A bundle that outgrows its budget
// fails the build: functions start from zero, so size is time.

import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build as bundleWith, type Metafile, stop } from 'esbuild';
import { etcd3Proto } from './etcd3-proto.ts';
import { kubeConfigOnly } from './kube-config-only.ts';

const root = resolve(import.meta.dirname, '../..');

/** What each function's bundle may weigh. */
export const functionBytesMax = {
  'ratelimit-edge': 1_850_000,
  purchase: 5_500_000,
  'persist-order': 3_500_000,
  'update-rank': 1_800_000,
} as const;

export type FunctionName = keyof typeof functionBytesMax;
export const functionNames = Object.keys(functionBytesMax) as FunctionName[];

/** What is deployed beside the functions, and what it may weigh. */
const tools = {
  'kn-seckill': { entry: 'knative/plugin/main.ts', bytesMax: 2_300_000 },
  'dingtalk-relay': { entry: 'grafana/dingtalk/main.ts', bytesMax: 1_300_000 },
  'source-runner': { entry: 'knative/local/source-runner/main.ts', bytesMax: 3_400_000 },
} as const;

export type ToolName = keyof typeof tools;
export const toolNames = Object.keys(tools) as ToolName[];

interface Variant {
  /** For tests that crash a function at a point of `lib/crash-point.ts`. */
  readonly crashPoints?: boolean;
  /** For the benchmark: by a package's name, the file that stands in for it. */
  readonly alias?: Readonly<Record<string, string>>;
}

/** Builds all functions into folders of their names in `dist`; rejects with what does not build or is too large. */
export async function buildFunctions(dist: string, variant: Variant = {}): Promise<void> {
  await Promise.all(
    functionNames.map((name) => buildFunction(name, join(dist, name), undefined, variant)),
  );
}

/** For who builds once and then runs for long: the bundler's process, which is large, ends. */
export function endBuilding(): Promise<void> {
  return stop();
}

/** Builds the functions and the tools, each into a folder of its name in `dist`. */
export async function buildAll(dist: string): Promise<void> {
  await Promise.all([
    buildFunctions(dist),
    ...toolNames.map((name) => buildTool(name, join(dist, name))),
  ]);
}

/** Builds one tool into `outFolder`, which holds nothing else afterwards. */
export async function buildTool(name: ToolName, outFolder: string): Promise<void> {
  const { entry, bytesMax } = tools[name];
  await rm(outFolder, { recursive: true, force: true });
  const metafile = await bundle(join(root, entry), join(outFolder, 'main.cjs'));
  assertWithin(bytesMax, metafile, name);
  // Beside the CLI, which stays small: the program that prepares stores.
  if (name === 'kn-seckill') {
    await bundle(join(root, 'knative/stores/main.ts'), join(outFolder, 'stores.cjs'));
  }
  // What it delivers by unless it is given another folder.
  if (name === 'source-runner') {
    await cp(join(root, 'kafka-sources'), join(outFolder, 'kafka-sources'), {
      recursive: true,
      filter: (path) => !path.endsWith('.md'),
    });
  }
}

/** Builds one function into `outFolder`, which holds nothing else afterwards. */
export async function buildFunction(
  name: FunctionName,
  outFolder: string,
  bytesMax: number = functionBytesMax[name],
  variant: Variant = {},
): Promise<void> {
  const folder = join(root, 'functions', name);
  await rm(outFolder, { recursive: true, force: true });
  const metafile = await bundle(join(folder, 'main.ts'), join(outFolder, 'main.cjs'), variant);
  assertWithin(bytesMax, metafile, name);
  if (existsSync(join(folder, 'migrate.ts'))) {
    await bundle(join(folder, 'migrate.ts'), join(outFolder, 'migrate.cjs'));
    await cp(join(folder, 'migrations'), join(outFolder, 'migrations'), { recursive: true });
  }
  if (existsSync(join(folder, 'storefront'))) {
    await buildStorefront(join(folder, 'storefront'), join(outFolder, 'storefront'));
  }
}

/** What a test would tell a process by, and a bundle never asks for. */
const noCrashPoints = {
  'process.env.SECKILL_CRASH_POINT': 'undefined',
  'process.env.SECKILL_CRASH_LOCK_TTL_MS': 'undefined',
};

/** Bundles one program as a function is bundled; resolves with what is in it. */
export async function bundle(
  entry: string,
  outfile: string,
  { crashPoints = false, alias = {} }: Variant = {},
): Promise<Metafile> {
  const options = {
    entryPoints: [entry],
    outfile,
    bundle: true,
    absWorkingDir: root,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    sourcemap: true,
    metafile: true,
    logLevel: 'silent',
    plugins: [etcd3Proto, kubeConfigOnly],
    alias,
    // It makes a function without effect, as a crash point becomes, and every call of it vanish.
    minifySyntax: true,
    define: {
      ...(crashPoints ? {} : noCrashPoints),
      'import.meta.dirname': '__dirname',
      // Only a module that is an entry itself may be one in a bundle.
      'import.meta.main': String(basename(entry) !== 'main.ts'),
    },
  } satisfies BuildOptions;
  const { metafile } = await bundleWith(options);
  nameSourcesFromRoot(`${outfile}.map`);
  copyScripts(Object.keys(metafile.inputs), dirname(outfile));
  return metafile;
}

/** esbuild names sources from the map's own folder: that would tell where it was built. */
function nameSourcesFromRoot(mapFile: string): void {
  const map = JSON.parse(readFileSync(mapFile, 'utf8')) as { sources: string[] };
  const sources = map.sources.map((source) =>
    // What a plugin made has a name, and no place.
    /^[\w-]+:/.test(source) ? source : relative(root, resolve(dirname(mapFile), source)),
  );
  writeFileSync(mapFile, JSON.stringify({ ...map, sources }));
}

/** Lua scripts are read from beside the code that runs them. */
function copyScripts(inputs: readonly string[], outFolder: string): void {
  const folders = new Set(
    inputs.filter((input) => !input.includes('node_modules')).map((input) => dirname(input)),
  );
  const copied = new Map<string, string>();
  for (const folder of folders) {
    for (const file of readdirSync(join(root, folder)).filter((name) => name.endsWith('.lua'))) {
      const other = copied.get(file);
      if (other !== undefined) throw new Error(`${file} is in ${other} and in ${folder}`);
      copied.set(file, folder);
      copyFileSync(join(root, folder, file), join(outFolder, file));
    }
  }
}

function assertWithin(bytesMax: number, metafile: Metafile, name: string): void {
  const output = Object.entries(metafile.outputs).find(([path]) => path.endsWith('.cjs'))?.[1];
  const bytes = output?.bytes ?? 0;
  if (bytes <= bytesMax) return;
  const heaviest = Object.entries(output?.inputs ?? {})
    .sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
    .slice(0, 5)
    .map(([path, { bytesInOutput }]) => `  ${bytesInOutput} ${path}`);
  throw new Error(
    `The bundle of ${name} has ${bytes} bytes; its budget is ${bytesMax}. The most in it:\n` +
      heaviest.join('\n'),
  );
}

/** What every buyer loads, and who signs in besides, as sent (compressed). */
const pageBytesMax = 22_000;
const signInBytesMax = 10_000;

/**
 * The page as it is served: its TypeScript as one file for browsers, what only signing in needs
 * as another (named by its content: a page never loads another release's), the rest as it is.
 */
async function buildStorefront(folder: string, outFolder: string): Promise<void> {
  await cp(folder, outFolder, {
    recursive: true,
    filter: (path) => !/\.ts$|tsconfig\.json$/.test(relative(folder, path)),
  });
  await bundleWith({
    entryPoints: [join(folder, 'storefront.ts')],
    outdir: outFolder,
    bundle: true,
    splitting: true,
    chunkNames: '[name]-[hash]',
    platform: 'browser',
    target: ['es2022', 'chrome109', 'firefox115', 'safari16'],
    format: 'esm',
    minify: true,
    sourcemap: true,
    logLevel: 'silent',
  });
  const scripts = readdirSync(outFolder).filter((file) => file.endsWith('.js'));
  for (const file of scripts) {
    const bytes = gzipSync(readFileSync(join(outFolder, file))).byteLength;
    const bytesMax = file === 'storefront.js' ? pageBytesMax : signInBytesMax;
    if (bytes <= bytesMax) continue;
    throw new Error(`${file} has ${bytes} bytes compressed; its budget is ${bytesMax}.`);
  }
}

if (import.meta.main) await buildAll(join(root, 'dist'));
