// What is written down twice is the same: in the code, the compose file, the local runtime and the
// manifests.

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { imageNames } from '#knative/images/images.ts';
import { functionNames } from '#knative/local/build.ts';
import * as constants from '#lib/constants.ts';
import { readEnvironment } from '#lib/environment.ts';
import { consumerGroups, deadLetterTopics, ordersTopic } from '#lib/names.ts';
import { connectionsOf, connectionsPerInstance } from './budget.ts';
import { readCompose } from './compose.ts';
import { namesReadBy } from './environment-rules.ts';
import { configMapData, containersOf, isFunction, podsOf } from './manifest.ts';
import { storePorts } from './network-rules.ts';
import { overlayFolder, overlays, render } from './render.ts';
import { base } from './test-kit.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const variablesIn = (text: string) => new Set(text.match(/\bSECKILL_[A-Z0-9_]+\b/g));
const known = variablesIn(read('lib/environment.ts'));

const compose = readCompose();

test('the functions of the build are the Services, and each has its source', () => {
  const services = base.filter(isFunction).map(({ metadata }) => metadata.name);
  expect(services.sort()).toEqual([...functionNames].sort());
  expect(Object.keys(connectionsPerInstance).sort()).toEqual([...functionNames].sort());
  const sources = base.filter(({ kind }) => kind === 'KafkaSource');
  expect(sources.map(({ metadata }) => metadata.name).sort()).toEqual(
    Object.keys(consumerGroups).sort(),
  );
});

test('what is done once and again by the clock is the same', () => {
  const stores = podsOf(render(overlayFolder('three-node')));
  const owned = (kind: string) =>
    new Map(
      stores
        .filter(({ owner }) => owner.kind === kind)
        .map(({ owner, template }) => [owner.metadata.name, template]),
    );
  const repeated = owned('CronJob').get('redis-cluster');
  expect(repeated).toBeDefined();
  expect(repeated).toEqual(owned('Job').get('redis-cluster'));
});

describe('environment', () => {
  test.each(overlays)('%s names no variable that the code does not know', (overlay) => {
    const named = variablesIn(JSON.stringify(render(overlayFolder(overlay))));
    expect([...named].filter((name) => !known.has(name))).toEqual([]);
  });

  test('the local runtime gives each function what the manifests give it', () => {
    const runtime = ['runtime.ts', 'functions.ts', 'stores/redis.ts', 'stores/etcd.ts']
      .concat('stores/kafka.ts', 'stores/mysql.ts', 'stores/stores.ts', 'stores/store.ts')
      .map((file) => read(`knative/local/${file}`));
    const local = variablesIn(runtime.join('\n'));
    const required = functionNames.flatMap(namesReadBy).filter((name) => {
      try {
        readEnvironment([name], {});
        return false;
      } catch {
        return true;
      }
    });
    expect(required.filter((name) => name.startsWith('SECKILL_') && !local.has(name))).toEqual([]);
  });

  test('the compose file says the names that the code reads', () => {
    const named = [...variablesIn(read('docker-compose.yml'))];
    // Its own ports, password and folder; what the source runner and the CLI read.
    const ofCompose = named.filter((name) =>
      /_PORT$|_MYSQL_PASSWORD$|_ALERT_SECRETS$|_SINK_|^SECKILL_(URL|OPERATOR)$/.test(name),
    );
    expect(named.filter((name) => !known.has(name) && !ofCompose.includes(name))).toEqual([]);
  });
});

describe('ports', () => {
  test('of the functions: what they listen on by default is what is declared and scraped', () => {
    const { PORT, SECKILL_METRICS_PORT } = readEnvironment(['PORT', 'SECKILL_METRICS_PORT'], {});
    expect(configMapData(base, 'seckill')).toMatchObject({
      SECKILL_METRICS_PORT: String(SECKILL_METRICS_PORT),
    });
    for (const { spec } of base.filter(isFunction)) {
      const { containers } = spec.template.spec;
      expect(containers.map(({ ports }) => ports)).toEqual([[{ containerPort: PORT }]]);
      expect(spec.template.metadata?.annotations).toMatchObject({
        'prometheus.io/port': String(SECKILL_METRICS_PORT),
      });
    }
  });

  test.each(Object.entries(storePorts))('of %s: the same in compose and cluster', (store, port) => {
    expect(compose.services[store]?.ports?.map((one) => one.split(':').at(-1))).toEqual([
      String(port),
    ]);
  });
});

test('topics and groups are written in no manifest but as the code has them', () => {
  const text = base.map((one) => JSON.stringify(one.spec ?? {})).join('\n');
  const named = new Set(text.match(/\bseckill\.orders[a-z.]*/g));
  expect([...named].sort()).toEqual([ordersTopic, ...Object.values(deadLetterTopics)].sort());
});

test('the migration’s Job has the number of the last migration, and the image of its function', () => {
  const migrations = readdirSync(join(root, 'functions/persist-order/migrations'));
  const last = migrations
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .at(-1)
    ?.slice(0, 4);
  const [job] = podsOf(base).filter(({ owner }) => owner.metadata.name.startsWith('migrate-'));
  expect(job?.owner.metadata.name).toBe(`migrate-${last ?? ''}`);
  expect(job?.containers.map(({ image }) => image.split(':')[0])).toEqual([
    'ghcr.io/seckill/persist-order',
  ]);
});

test('every pool of connections to MySQL is in the budget', () => {
  for (const name of functionNames) {
    const main = read(`functions/${name}/main.ts`);
    const pools = [...main.matchAll(/connectMysql\([^,]+, (\w+)/g)].map(([, size = '']) => size);
    const sizes = constants as unknown as Readonly<Record<string, number>>;
    const connections = pools.reduce((sum, size) => sum + (sizes[size] ?? Number.NaN), 0);
    expect(connections, name).toBe(connectionsPerInstance[name]?.mysql ?? 0);
    expect(main.split('connectMysql(').length - 1, name).toBe(pools.length);
  }
});

test('every image of ours is one that is built', () => {
  const used = containersOf(base)
    .map(({ container }) => /^ghcr\.io\/seckill\/([^:]+):/.exec(container.image)?.[1])
    .filter((name) => name !== undefined);
  expect([...new Set(used)].sort()).toEqual([...imageNames].sort());
});

test('the guide to stores of one’s own says how many connections MySQL needs', () => {
  const guide = read('knative/overlays/bring-your-own/README.md');
  expect(guide).toContain(`the functions may want ${connectionsOf(base, 'mysql')}`);
});
