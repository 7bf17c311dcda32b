import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { choosePort } from '../ports.ts';
import { identityOf } from '../process-identity.ts';
import { engineAnswers } from './docker.ts';
import { allStores, createStores } from './stores.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'seckill-docker-'));
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env.PATH ?? ''}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A stand-in for the client: what is asked of it is written down. */
function fakeDocker(script: string): void {
  const file = join(folder, 'docker');
  writeFileSync(file, `#!/bin/sh\necho "$@" >>'${folder}/asked'\n${script}\n`);
  chmodSync(file, 0o755);
}
const asked = () => readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n');

// `up` starts a real Redis on the port it is told, `logs` lasts as long as it, `down` ends it.
const engineWithRedis = `
case "$*" in
  *" up "*)
    redis-server --port "$SECKILL_REDIS_PORT" --daemonize yes --pidfile '%/redis.pid' --dir '%' ;;
  *" logs "*) exec sleep 60 ;;
  *" down "*) kill "$(cat '%/redis.pid')" ;;
esac`;

test('a client without an engine, or without compose, is no engine', async () => {
  fakeDocker('[ "$1" != info ]');
  expect(await engineAnswers()).toBe(false);
  fakeDocker('[ "$1" != compose ]');
  expect(await engineAnswers()).toBe(false);
  fakeDocker('exit 0');
  expect(await engineAnswers()).toBe(true);
});

test('where an engine answers, the missing stores run in its containers until stop', async () => {
  fakeDocker(engineWithRedis.replaceAll('%', folder));
  const port = await choosePort();
  const stores = createStores({
    folder: join(folder, 'state'),
    ports: { redis: port },
    password: 'p',
    given: { ...process.env, SECKILL_REDIS_URL: undefined },
    say: vi.fn(),
    throwaway: true,
  });
  const { env } = await stores.start();
  expect(env.SECKILL_REDIS_URL).toBe(`redis://127.0.0.1:${port}`);
  const pid = Number(readFileSync(join(folder, 'redis.pid'), 'utf8'));
  await stores.stop();
  await vi.waitFor(() => {
    expect(identityOf(pid)).toBeUndefined();
  });
  const [project] = /seckill-[0-9a-f]{12}/.exec(asked().join('\n')) ?? [];
  const compose = `compose --project-name ${String(project)} --file ${composeFile}`;
  // Its own log is followed too, but may not have been before the end was asked for.
  expect(asked().filter((line) => !line.endsWith('logs --follow --no-color'))).toEqual([
    'info',
    'compose version',
    `${compose} up --detach --no-color redis`,
    `${compose} down --volumes`,
  ]);
});

const composeFile = resolve(import.meta.dirname, '../../../docker-compose.yml');

interface Service {
  readonly image: string;
  readonly ports: readonly string[];
  readonly healthcheck: object;
  readonly profiles?: readonly string[];
}

test('compose knows every store, pinned, healthy by a check, on loopback only', () => {
  const { services } = parse(readFileSync(composeFile, 'utf8')) as {
    services: Record<string, Service>;
  };
  for (const { name } of allStores) {
    const { image, ports = [], healthcheck, profiles } = services[name] ?? {};
    // It is there without a profile, and nothing else is (knative/checks/compose.test.ts).
    expect(profiles).toBeUndefined();
    expect(image).toMatch(/:v?\d+\.\d+\.\d+/);
    expect(ports).toHaveLength(1);
    expect(ports[0]).toContain(`127.0.0.1:\${SECKILL_${name.toUpperCase()}_PORT:-`);
    expect(healthcheck).toBeDefined();
  }
});
