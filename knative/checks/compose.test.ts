// docker-compose.yml is valid, and runs what the manifests run: the same images with the same limits,
// checked by the same paths, given what each function reads.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { imageNames, moreImageNames } from '#knative/images/images.ts';
import { functionNames } from '#knative/local/build.ts';
import { allStores } from '#knative/local/stores/stores.ts';
import { readEnvironment } from '#lib/environment.ts';
import { consumerGroups } from '#lib/names.ts';
import { composeFile, composeProblems, readCompose } from './compose.ts';
import { namesReadBy } from './environment-rules.ts';
import { isFunction } from './manifest.ts';
import { base } from './test-kit.ts';

const root = dirname(composeFile);
const read = (file: string) => readFileSync(resolve(root, file), 'utf8');
const compose = readCompose();
const services = Object.entries(compose.services);
/** They end when they are done. */
const once = ['keys', 'migrate', 'topics', 'demo', 'kn-seckill'];
const keys = ['SECKILL_JWT_KEY', 'SECKILL_SIGNING_KEYS', 'SECKILL_PSEUDONYM_KEY'] as const;

test('it is what the compose specification takes', () => {
  expect(composeProblems(compose)).toEqual([]);
  const [name = '', service] = services[0] ?? [];
  const wrong = { ...compose, services: { [name]: { ...service, healthchek: {} } } };
  expect(composeProblems(wrong).join()).toContain('healthchek');
});

test('without a profile there are the stores, and nothing else', () => {
  const always = services.filter(([, { profiles = [] }]) => profiles.length === 0);
  expect(always.map(([name]) => name).sort()).toEqual(allStores.map(({ name }) => name).sort());
  for (const [name, { depends_on: needed = {} }] of services) {
    for (const other of Object.keys(needed)) expect(compose.services, name).toHaveProperty(other);
  }
});

test('one profile brings up all that a sale needs, and all that shows it', () => {
  const all = services.filter(([, { profiles }]) => profiles?.includes('all') ?? false);
  const names = all.map(([name]) => name);
  for (const name of [...functionNames, 'source-runner', 'demo']) expect(names).toContain(name);
  for (const name of ['prometheus', 'alertmanager', 'grafana', 'jaeger']) {
    expect(names).toContain(name);
  }
});

describe.each(services)('%s', (name, service) => {
  test('is pinned, limited, and on loopback only', () => {
    expect(service.image).toMatch(/^[^:]+:v?\d+\.\d+\.\d+(-\w+)*$/);
    const { cpus, memory } = service.deploy?.resources.limits ?? {};
    expect(Number(cpus)).toBeGreaterThan(0);
    expect(memory).toMatch(/^\d+[MG]$/);
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  test('says whether it works, unless it ends by itself', () => {
    expect(service.healthcheck === undefined).toBe(once.includes(name));
  });

  test('mounts what is there', () => {
    for (const mount of service.volumes ?? []) {
      const [from = ''] = mount.split(':');
      if (from.startsWith('.')) expect(existsSync(resolve(root, from)), mount).toBe(true);
      else expect(compose.volumes).toHaveProperty(from);
    }
  });

  test('is an image that is built here, of this version, or somebody else’s', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    const [, own] = /^ghcr\.io\/seckill\/(.+)$/.exec(service.image) ?? [];
    expect(own).toBe(service.build && `${service.build.args.NAME}:${version}`);
    if (service.build === undefined) return;
    expect([...imageNames, ...moreImageNames]).toContain(service.build.args.NAME);
    expect(existsSync(resolve(root, service.build.dockerfile))).toBe(true);
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
  });
});

describe.each(base.filter(isFunction).map((one) => [one.metadata.name, one] as const))(
  '%s, as in the manifests',
  (name, manifest) => {
    const service = compose.services[name];
    const [container] = manifest.spec.template.spec.containers;

    test('image and limits are the same', () => {
      expect(service?.image).toBe(container?.image);
      const { cpus, memory } = service?.deploy?.resources.limits ?? {};
      expect({ cpu: cpus, memory: memory?.replace('M', 'Mi') }).toEqual(
        container?.resources?.limits,
      );
    });

    test('it is ready by the same path', () => {
      const { path } = (container?.readinessProbe as { httpGet: { path: string } }).httpGet;
      const { PORT } = readEnvironment(['PORT'], {});
      expect(service?.healthcheck?.test.join(' ')).toContain(`http://127.0.0.1:${PORT}${path}'`);
    });

    test('it is given all that it reads, in a form that it takes, and nothing else', () => {
      const given = service?.environment ?? {};
      const ofKeys = Object.fromEntries(keys.map((key) => [key, 'k'.repeat(32)]));
      expect(() => readEnvironment(namesReadBy(name), { ...ofKeys, ...given })).not.toThrow();
      expect(Object.keys(given).filter((one) => !namesReadBy(name).includes(one as never))).toEqual(
        [],
      );
    });

    test('it calls itself what Prometheus calls it', () => {
      const targets = parse(read('grafana/prometheus/targets/functions.yml')) as {
        targets: string[];
        labels: { instance: string };
      }[];
      const { SECKILL_METRICS_PORT: port } = readEnvironment(['SECKILL_METRICS_PORT'], {});
      expect(targets).toContainEqual({ targets: [`${name}:${port}`], labels: { instance: name } });
      expect(service?.hostname).toBe(name);
    });
  },
);

test('the keys are made, never written down', () => {
  expect(compose.services.keys?.entrypoint?.join('\n')).toContain(
    `const names = [${keys.map((key) => `'${key}'`).join(', ')}];`,
  );
  for (const [, { environment = {} }] of services) {
    expect(Object.keys(environment).filter((name) => keys.includes(name as never))).toEqual([]);
  }
});

test('the source runner knows every sink', () => {
  const sinks = Object.keys(consumerGroups).map((name) => [
    `SECKILL_SINK_${name.toUpperCase().replaceAll('-', '_')}`,
    `http://${name}:8080`,
  ]);
  expect(compose.services['source-runner']?.environment).toMatchObject(Object.fromEntries(sinks));
});

test('Prometheus takes what functions hand over, where they hand it over', () => {
  const { prometheus, purchase } = compose.services;
  expect(prometheus?.command).toContain('--web.enable-remote-write-receiver');
  expect(purchase?.environment?.SECKILL_METRICS_PUSH_URL).toBe(
    'http://prometheus:9090/api/v1/write',
  );
});

test('what is nobody’s secret is not asked for: only MySQL’s password is', () => {
  const required = [...read('docker-compose.yml').matchAll(/\$\{(\w+):\?/g)].map(
    ([, name]) => name,
  );
  expect(required).toEqual(['SECKILL_MYSQL_PASSWORD']);
});
