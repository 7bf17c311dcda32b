import { expect, test } from 'vitest';
import { type KubeObject, kinds } from '../kube/client.ts';
import { clusterInMemory } from '../kube/in-memory.ts';
import type { Sale } from '../show-sale.ts';
import { tickName } from '../tick.ts';
import { checkTick } from './tick.ts';

const sale = { productId: 'phone', state: 'open', loaded: true, settled: false } as Sale;
const nowMs = Date.parse('2026-12-01T12:00:00Z');

function tick(status: string | undefined, madeSecondsAgo = 3_600, message = ''): KubeObject {
  const conditions = status === undefined ? [] : [{ type: 'Ready', status, message }];
  return {
    ...kinds.pingSource,
    metadata: {
      ...{ name: tickName, generation: 1 },
      creationTimestamp: new Date(nowMs - madeSecondsAgo * 1_000).toISOString(),
    },
    ...{ status: { observedGeneration: 1, conditions } },
  };
}

const check = (sales: readonly Sale[], ...objects: KubeObject[]) =>
  checkTick({ ...clusterInMemory(...objects), now: () => Promise.resolve(nowMs) }, sales);

test('a tick is there while a sale runs, and not otherwise', async () => {
  expect(await check([sale], tick('True'))).toMatchObject({ result: 'ok' });
  expect(await check([])).toMatchObject({ result: 'ok' });
  expect(await check([{ ...sale, settled: true }], tick('True'))).toMatchObject({
    result: 'wrong',
    found: 'there is a tick, and no sale that needs it',
  });
  const { todo } = await check([sale]);
  expect(todo).toContain('`kn-seckill sale warm phone` makes it');
});

test('a tick that is there and not ready is none, with what Knative says of it', async () => {
  expect(await check([sale], tick('False', 3_600, 'no such Service'))).toMatchObject({
    result: 'wrong',
    found: 'the tick is there and not ready: no such Service',
  });
  expect(await check([sale], tick(undefined))).toMatchObject({
    result: 'wrong',
    found: 'the tick is there and not ready: no controller has seen it yet',
  });
});

test('of one that was made a moment ago nothing can be told yet', async () => {
  expect(await check([sale], tick(undefined, 3))).toMatchObject({ result: 'unknown' });
  expect(await check([sale], tick('Unknown', 3))).toMatchObject({ result: 'unknown' });
});
