import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { nodeOptions } from '../local/node-options.ts';
import { buildCommand, type Engine, engines, imageNames } from './images.ts';

const containerfile = readFileSync(join(import.meta.dirname, 'Containerfile'), 'utf8');
const release = {
  ...{ registry: 'registry.example/shop', version: '1.2.3', revision: 'abc' },
  committedAtSeconds: 1_790_000_000,
  buildArgs: ['BASE_IMAGE=registry.example/node:24'],
};

test('an image holds the Node that the tests ran with, and never the latest of anything', () => {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { version: string }>;
  };
  const node = lock.packages['node_modules/node']?.version ?? '';
  const images = [...containerfile.matchAll(/^ARG \w+_IMAGE=(.*)$/gm)].map(([, image]) => image);
  expect(images.length).toBe(2);
  for (const image of images) expect(image).toMatch(new RegExp(`/node:${node}-[a-z-]+$`));
});

test('an image runs as a numbered user and passes arguments on', () => {
  expect(containerfile).toMatch(/^USER 65532:65532$/m);
  expect(containerfile).toMatch(/^ENTRYPOINT \["node", "\/app\/main\.cjs"\]$/m);
  expect(containerfile).not.toMatch(/^CMD/m);
});

test('an image runs Node as the local runtime does', () => {
  const [, options] = /^ENV NODE_OPTIONS="(.*)"$/m.exec(containerfile) ?? [];
  expect(options?.split(' ')).toEqual(nodeOptions);
});

test.each(engines)('%s is given all that the Containerfile asks for', (engine) => {
  const command = buildCommand(engine, 'purchase', release).join(' ');
  for (const [, name] of containerfile.matchAll(/^ARG (\w+)$/gm)) {
    expect(command).toContain(`--build-arg ${name}=`);
  }
  expect(command).toContain('--build-arg SOURCE_DATE_EPOCH=1790000000');
  expect(command).toContain('--build-arg BASE_IMAGE=registry.example/node:24');
  expect(command).toMatch(/--tag registry\.example\/shop\/purchase:1\.2\.3 \.$/);
});

// Engines that only note down how they are called; those not named don't answer.
const folder = mkdtempSync(join(tmpdir(), 'seckill-images-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
function runWith(answering: readonly Engine[], ...args: string[]) {
  for (const engine of engines) {
    const answers = answering.includes(engine) ? 0 : 1;
    writeFileSync(
      join(folder, engine),
      `#!/bin/sh\n[ "$1" = info ] && exit ${answers}\necho "${engine} $*" >&2\n`,
    );
    chmodSync(join(folder, engine), 0o755);
  }
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(import.meta.dirname, 'main.ts'), ...args],
    { env: { ...process.env, PATH: `${folder}:${process.env.PATH ?? ''}` }, encoding: 'utf8' },
  );
  return { status, said: stdout.trim().split('\n'), calls: stderr.trim().split('\n') };
}

test('the first engine that answers builds all five, and pushes only where asked', () => {
  const { status, said, calls } = runWith(['podman', 'buildah'], '--tag', '9.9.9');
  expect(status).toBe(0);
  expect(said).toEqual(imageNames.map((name) => `ghcr.io/seckill/${name}:9.9.9`));
  expect(calls.map((call) => call.split(' ').slice(0, 2).join(' '))).toEqual(
    imageNames.map(() => 'podman build'),
  );
  expect(runWith(['buildah'], 'source-runner', '--push').calls.at(-1)).toMatch(
    /^buildah push ghcr\.io\/seckill\/source-runner:\d/,
  );
});

test('without an engine, or with a name that is none, it says so', () => {
  expect(runWith([])).toMatchObject({
    status: 1,
    calls: [expect.stringContaining('answers here')],
  });
  expect(runWith(['docker'], 'pruchase')).toMatchObject({
    status: 1,
    calls: expect.arrayContaining(['images: there is no image pruchase']) as unknown,
  });
});
