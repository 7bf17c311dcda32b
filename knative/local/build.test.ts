import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildAll, buildFunction, functionNames, toolNames } from './build.ts';

// Outside the repository, where no node_modules can help a bundle out.
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'seckill-build-'));
  await buildAll(folder);
}, 60_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const filesOf = (path: string) => readdirSync(join(folder, path));

/** What a bundle says that is run without any environment, and its status. */
async function runBare(
  file: string,
  args: readonly string[] = [],
): Promise<{ status: number; said: string }> {
  return new Promise((done) => {
    const command = [join(folder, file), ...args];
    execFile(process.execPath, command, { env: {}, cwd: '/' }, (error, stdout, stderr) => {
      done({ status: Number(error?.code ?? 0), said: stdout + stderr });
    });
  });
}

test.each(functionNames)(
  '%s is a bundle of its own that asks for its environment',
  async (name) => {
    const { status, said } = await runBare(`${name}/main.cjs`);
    expect(said).toContain('SECKILL_SIGNING_KEYS is not set');
    expect(status).toBe(1);
  },
);

test('purchase has its Lua scripts beside it, and etcd’s messages in it', () => {
  expect(filesOf('purchase')).toContain('sell-4.lua');
  const bundle = readFileSync(join(folder, 'purchase/main.cjs'), 'utf8');
  expect(bundle).toContain('LeaseGrantRequest');
  expect(bundle).not.toContain('rpc.proto`');
});

test('persist-order brings its migrations, and a program that runs them', async () => {
  expect(filesOf('persist-order')).toEqual(expect.arrayContaining(['migrate.cjs', 'migrations']));
  const { status, said } = await runBare('persist-order/migrate.cjs');
  expect(said).toContain('SECKILL_MYSQL_URL is not set');
  expect(status).toBe(1);
});

test('the CLI has the program beside it that prepares stores', async () => {
  const { status, said } = await runBare('kn-seckill/stores.cjs', ['redis']);
  expect(said).toContain('SECKILL_REDIS_URL is not set');
  expect(status).toBe(1);
});

test('the source runner brings the manifests that it delivers by', async () => {
  expect(filesOf('source-runner/kafka-sources')).toEqual(
    readdirSync('kafka-sources').filter((file) => file.endsWith('.yaml')),
  );
  const { status, said } = await runBare('source-runner/main.cjs');
  expect(said).toContain('SECKILL_KAFKA_BROKERS is not set');
  expect(status).toBe(1);
});

test('kn-seckill is a bundle of its own', async () => {
  const { status, said } = await runBare('kn-seckill/main.cjs', ['--help']);
  expect(said).toContain('Usage: kn-seckill');
  expect(status).toBe(0);
});

test.each([...functionNames, ...toolNames])('%s does not say where it was built', (name) => {
  const read = (file: string) => readFileSync(join(folder, name, file), 'utf8');
  const bundles = filesOf(name).filter((file) => file.endsWith('.cjs'));
  for (const file of bundles) {
    const { sources } = JSON.parse(read(`${file}.map`)) as { sources: string[] };
    // By their paths in the repository, wherever that was, and wherever the bundle was put.
    const others = sources.filter((source) => !/^node_modules\/|^[\w-]+:/.test(source));
    expect(others.filter((source) => isAbsolute(source) || !existsSync(source))).toEqual([]);
    for (const top of ['functions', 'lib', 'knative', 'node_modules']) {
      expect(read(file).includes(resolve(top)), `${file}: ${top}`).toBe(false);
    }
    expect(read(file).includes(folder), file).toBe(false);
  }
});

test('the edge’s page is made for browsers: one script, no TypeScript', () => {
  const files = filesOf('ratelimit-edge/storefront');
  expect(files).toEqual(expect.arrayContaining(['index.html', 'storefront.css', 'storefront.js']));
  expect(files.filter((file) => /\.ts$|tsconfig/.test(file))).toEqual([]);
  const script = readFileSync(join(folder, 'ratelimit-edge/storefront/storefront.js'), 'utf8');
  expect(script).not.toMatch(/\brequire\(|from ?["']\.\//);
});

test('a bundle that outgrows its budget is refused, with what is heaviest in it', async () => {
  await expect(buildFunction('update-rank', join(folder, 'large'), 1_000)).rejects.toThrow(
    /update-rank has \d+ bytes; its budget is 1000\..*\n {2}\d+ node_modules\//,
  );
}, 30_000);
