import { expect, test } from 'vitest';
import type { Look } from './look.ts';
import { aLook, anInstance, aSale, aStanding, startMs } from './looks-fixture.ts';
import { createReporter } from './reporter.ts';

const source = { title: 'a test', namespace: 'seckill' };

/** The alarms at the end of these looks, at the seconds they are named by. */
function alarmsAfter(looks: Readonly<Record<number, Partial<Look>>>) {
  const reporter = createReporter({ source, productId: undefined });
  const reports = Object.entries(looks).map(([at, look]) =>
    reporter.report(aLook(Number(at), { instances: everyone(), ...look })),
  );
  return reports.at(-1)?.alarms ?? [];
}

const codes = (looks: Readonly<Record<number, Partial<Look>>>) =>
  alarmsAfter(looks).map(({ code }) => code);

const sinks = (consumed: number, delaySum = 0) =>
  (['persist-order', 'update-rank'] as const).map((name) =>
    anInstance({
      ...{ name, function: name },
      counts: {
        seckill_consumed_orders_total: consumed,
        seckill_consume_delay_seconds_sum: delaySum,
        seckill_consume_delay_seconds_count: consumed,
      },
    }),
  );
const everyone = (consumed = 0, delaySum = 0) => [
  anInstance({ name: 'edge', counts: {} }),
  anInstance({ name: 'purchase', function: 'purchase', counts: {} }),
  ...sinks(consumed, delaySum),
];
const standing = (given: Parameters<typeof aStanding>[0]) => ({ standing: aStanding(given) });
const pending = (given: Parameters<typeof aSale>[0]) =>
  standing({ sales: [aSale({ pending: 3, ...given })] });

test('a sale that goes well gives no alarm', () => {
  expect(codes({ 0: standing({}), 2: standing({}), 20: standing({}) })).toEqual([]);
});

test('more sold than there is, or found twice by a reconciliation, is oversold', () => {
  const [alarm] = alarmsAfter({ 0: standing({ sales: [aSale({ sold: 1_001 })] }) });
  expect(alarm).toMatchObject({ code: 'oversold' });
  expect(alarm?.text).toContain('sale pause phone');
  // Also what was found before the watch began.
  const found = (name: string) => {
    const counts = { [`seckill_${name}`]: 2 };
    return { instances: [anInstance({ function: 'purchase', counts })] };
  };
  expect(codes({ 0: found('reconcile_oversold_units_total') })).toEqual(['oversold']);
  expect(codes({ 0: found('reconcile_lost_orders_total') })).toEqual(['lost']);
  expect(codes({ 0: found('rejected_orders_total') })).toEqual(['rejected']);
});

test('an outbox is stuck when nothing of it moves for ten seconds, not before', () => {
  expect(codes({ 0: pending({}), 9: pending({}) })).toEqual([]);
  expect(codes({ 0: pending({}), 9: pending({}), 10: pending({}) })).toEqual(['outbox']);
  // A sale that sells always has something on its way.
  expect(codes({ 0: pending({}), 9: pending({ sold: 601 }), 12: pending({}) })).toEqual([]);
  expect(codes({ 0: pending({}), 9: pending({ pending: 0 }), 12: pending({}) })).toEqual([]);
});

test('a sink that takes nothing while events wait is told of, with why', () => {
  const behind = (consumed: number) => ({
    instances: everyone(consumed),
    ...standing({ lagEvents: { 'persist-order': 7, 'update-rank': 0 } }),
  });
  expect(codes({ 0: behind(5), 10: behind(6) })).toEqual([]);
  const [stuck] = alarmsAfter({ 0: behind(5), 10: behind(5) });
  expect(stuck).toMatchObject({ code: 'delivery' });
  expect(stuck?.text).toMatch(
    /persist-order has taken nothing for 10 s, 7 events wait: see its log/,
  );
  const nobody = { ...behind(0), instances: everyone().slice(0, 2) };
  expect(alarmsAfter({ 0: nobody, 10: nobody })[0]?.text).toContain('none of its instances');
});

test('orders that take longer than a second to show are told of', () => {
  const at = (consumed: number, delaySum: number) => ({ instances: everyone(consumed, delaySum) });
  expect(codes({ 0: at(0, 0), 2: at(10, 9) })).toEqual([]);
  expect(codes({ 0: at(0, 0), 2: at(10, 21) })).toEqual(['delay', 'delay']);
});

test('a store that is away and dead letters are told of, with where to go on', () => {
  const found = alarmsAfter({
    0: standing({
      stores: { Redis: true, MySQL: 'connect ECONNREFUSED', etcd: true, Kafka: true },
      deadLetters: { 'persist-order': 1, 'update-rank': 0 },
    }),
  });
  expect(found.map(({ code }) => code)).toEqual(['store_away', 'dead_letters']);
  expect(found[0]?.text).toContain('MySQL is away: connect ECONNREFUSED');
  expect(found[1]?.text).toContain('1 dead letter of persist-order: `dead-letters list');
});

const opens = (inSeconds: number) => new Date(startMs + inSeconds * 1_000).toISOString();

test('before an opening the doors have to be ready: by the sale, by the plan, by what is wanted', () => {
  const nobody = { instances: [], wanted: aLook(0).wanted };
  const planned = (inSeconds: number) => [
    { productId: 'phone', opensAtMs: startMs + inSeconds * 1_000 },
  ];
  expect(codes({ 0: { ...nobody, planned: planned(121) } })).toEqual([]);
  const [alarm] = alarmsAfter({ 0: { ...nobody, planned: planned(90) } });
  expect(alarm).toMatchObject({ code: 'not_ready' });
  expect(alarm?.text).toMatch(/opens in 90 s, and only 0 of 1 ratelimit-edge, 0 of 1 purchase/);
  expect(codes({ 0: { planned: planned(90) } })).toEqual([]);

  const scheduled = standing({ sales: [aSale({ state: 'scheduled', opensAt: opens(60) })] });
  expect(codes({ 0: scheduled })).toEqual([]);
  const wanted = { ...aLook(0).wanted, purchase: 3 };
  expect(alarmsAfter({ 0: { ...scheduled, wanted } })[0]?.text).toContain('only 1 of 3 purchase');
  // Whoever told has gone to sleep since.
  expect(codes({ 0: scheduled, 2: nobody })).toEqual(['not_ready']);
  expect(codes({ 0: scheduled, 61: nobody })).toEqual([]);
});

test('instances that cannot start or have restarted are named', () => {
  const failing = { name: 'p-1', state: 'starting', trouble: 'ImagePullBackOff' } as const;
  const [first] = alarmsAfter({ 0: { instances: [...everyone(), anInstance(failing)] } });
  expect(first?.text).toBe(
    '1 of ratelimit-edge: ImagePullBackOff. See: kubectl -n seckill describe pod p-1',
  );
  const restarts = (count: number) => ({ instances: [anInstance({ restarts: count })] });
  expect(codes({ 0: restarts(2) })).toEqual([]);
  expect(codes({ 0: restarts(2), 2: restarts(3), 30: restarts(3) })).toEqual(['restarted']);
  expect(codes({ 0: restarts(2), 2: restarts(3), 62: restarts(3) })).toEqual([]);
});

test('a few 503 are a fail-over, more than one in twenty is an alarm', () => {
  const answered = (accepted: number, failed: number) => ({
    instances: [
      anInstance({ name: 'a', counts: { 'seckill_requests_total{outcome="accepted"}': accepted } }),
      anInstance({ name: 'b', counts: { 'seckill_requests_total{result="failed"}': failed } }),
    ],
  });
  expect(codes({ 0: answered(0, 0), 2: answered(95, 5) })).toEqual([]);
  expect(codes({ 0: answered(0, 0), 2: answered(94, 6) })).toEqual(['unavailable']);
});

test('what was warmed and is cold after a roll-out is told of, with how to have it back', () => {
  const lost = { service: 'purchase', holder: 'schedule/phone', wanted: 3, has: 1 };
  const [alarm] = alarmsAfter({ 0: { lostWarmth: [lost] } });
  expect(alarm).toMatchObject({ code: 'warmth_lost' });
  expect(alarm?.text).toBe(
    'purchase was warmed to 3 for schedule/phone, and a roll-out has left 1: ' +
      '`scale warm purchase --to 3 --for schedule/phone`',
  );
});
