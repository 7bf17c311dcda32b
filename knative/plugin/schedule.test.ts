import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { kinds } from './kube/kinds.ts';
import { type CronJob, cronJobName } from './kube/schedule.ts';
import { type Kit, startKit } from './kube/test-kit.ts';
import { settleWaitPreset } from './settle-schedule.ts';
import type { Sale } from './show-sale.ts';
import { parseDuration } from './time.ts';
import { cronOf, instantsOf, isTimeZone, showIn } from './time-zone.ts';

// The client of Kubernetes has a thousand modules, which a busy machine reads for seconds.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

describe('time zones', () => {
  test('a local time is an instant of its zone', () => {
    const iso = (text: string, zone: string) =>
      instantsOf(text, zone)?.map((at) => new Date(at).toISOString());
    expect(iso('2026-11-24T20:00', 'Asia/Shanghai')).toEqual(['2026-11-24T12:00:00.000Z']);
    expect(iso('2026-07-01 09:30:15', 'America/New_York')).toEqual(['2026-07-01T13:30:15.000Z']);
    expect(iso('2026-01-01T00:00', 'Asia/Kathmandu')).toEqual(['2025-12-31T18:15:00.000Z']);
    expect(iso('2026-03-29T02:30', 'Europe/Berlin')).toEqual([]);
    expect(iso('2026-10-25T02:30', 'Europe/Berlin')).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:30:00.000Z',
    ]);
    expect(iso('tomorrow', 'Etc/UTC')).toBeUndefined();
    expect(['Asia/Shanghai', 'Mars/Olympus'].map(isTimeZone)).toEqual([true, false]);
  });

  test('a CronJob fires at that minute of its zone, and in UTC where clocks show it twice', () => {
    expect(cronOf('2026-11-24T12:00:00Z', 'Asia/Shanghai')).toEqual({
      ...{ schedule: '0 20 24 11 *', timeZone: 'Asia/Shanghai' },
    });
    expect(cronOf('2026-10-25T01:30:00Z', 'Europe/Berlin')).toEqual({
      ...{ schedule: '30 1 25 10 *', timeZone: 'Etc/UTC' },
    });
    expect(showIn('2026-12-31T18:15:00Z', 'Asia/Shanghai')).toBe('2027-01-01 02:15 Asia/Shanghai');
  });
});

test('every product has names for its CronJobs that Kubernetes takes, and its own', () => {
  const products = ['phone', 'Phone', 'PHONE_', '_', '-', 'x'.repeat(64), 'a--b', '手'];
  const names = products.flatMap((product) => [
    cronJobName(product, 'warm'),
    cronJobName(product, 'settle'),
  ]);
  for (const name of names) expect(name).toMatch(/^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$/);
  expect(new Set(names).size).toBe(names.length);
});

describe('schedule', () => {
  let kit: Kit;
  beforeEach(async () => {
    vi.useFakeTimers({ now: Date.parse('2026-11-23T10:00:30Z'), toFake: ['Date'] });
    kit = await startKit();
    kit.edge.on('GET /operator/sales/phone', { json: sale });
  });
  afterEach(async () => {
    vi.useRealTimers();
    await kit.close();
  });

  const sale: Sale = {
    ...{ productId: 'phone', name: 'Phone', unitPrice: 1, currency: 'CNY', stock: 5, left: 5 },
    ...{ sold: 0, pending: 0, state: 'scheduled', loaded: false, settled: false, limitPerUser: 1 },
    ...{ opensAt: '2026-11-24T12:00:00.000000Z', closesAt: '2026-11-24T12:30:00.000000Z' },
  };
  const cronJob = (job: 'warm' | 'settle') =>
    kit.api.at(kinds.cronJob, cronJobName('phone', job)) as CronJob | undefined;
  const settled = { ...sale, state: 'ended', settled: true };

  test('makes a CronJob that warms, and one that settles', async () => {
    const window = ['--opens', '2026-11-24T20:00', '--closes', '2026-11-24T20:30'];
    const args = ['schedule', 'phone', ...window, '--time-zone', 'Asia/Shanghai', '--to', '4'];
    const { status, out } = await kit.run(args);
    expect(status).toBe(0);
    expect(out).toContain('warm      2026-11-24 19:55 Asia/Shanghai, 4 instances of each function');
    expect(cronJob('warm')).toMatchObject({
      metadata: {
        annotations: {
          'kn-seckill/product': 'phone',
          'kn-seckill/opens-at': '2026-11-24T12:00:00.000Z',
          'kn-seckill/job': 'warm',
        },
      },
      spec: {
        ...{ schedule: '55 19 24 11 *', timeZone: 'Asia/Shanghai', startingDeadlineSeconds: 2_100 },
        concurrencyPolicy: 'Forbid',
      },
    });
    expect(cronJob('settle')?.spec).toMatchObject({ schedule: '31 20 24 11 *' });
    expect(JSON.stringify(cronJob('warm'))).toContain('"image":"ghcr.io/seckill/kn-seckill:0.1.0"');
    const versions = () => [cronJob('warm'), cronJob('settle')].map((one) => one?.metadata);
    const before = versions();
    expect((await kit.run(args)).status).toBe(0);
    expect(versions()).toEqual(before);
  });

  test('lists and deletes what is scheduled', async () => {
    expect((await kit.run(['schedule', 'list'])).out).toBe('Nothing is scheduled.\n');
    await kit.run(['schedule', 'phone', '--warm-before', '10m']);
    const { out } = await kit.run(['schedule', 'list', '-o', 'json']);
    expect(JSON.parse(out)).toMatchObject([
      { product: 'phone', job: 'warm', schedule: '50 11 24 11 *', timeZone: 'Etc/UTC', to: 3 },
      { product: 'phone', job: 'settle', schedule: '31 12 24 11 *', startedAt: null },
    ]);
    expect(await kit.run(['schedule', 'delete', 'phone'])).toMatchObject({ status: 0 });
    expect([cronJob('warm'), cronJob('settle')]).toEqual([undefined, undefined]);
    expect(await kit.run(['schedule', 'delete', 'phone'])).toMatchObject({ status: 1 });
  });

  test('the CLI comes from where the edge comes from, with what pulls it', async () => {
    kit.knative.addService({ name: 'ratelimit-edge', image: 'shop.example/x/ratelimit-edge:1.2' });
    expect((await kit.run(['schedule', 'phone'])).out).toContain('shop.example/x/kn-seckill:1.2');
    const digest = `shop.example/x/ratelimit-edge@sha256:${'0'.repeat(64)}`;
    kit.knative.addService({ name: 'ratelimit-edge', image: digest });
    expect((await kit.run(['schedule', 'phone'])).out).toContain('shop.example/x/kn-seckill:0.1.0');
    const given = ['schedule', 'phone', '--image', 'a/b:c'];
    expect((await kit.run(given)).out).toContain('a/b:c');
  });

  test('what opens soon is warmed from the next minute on', async () => {
    const soon = { ...sale, opensAt: '2026-11-23T10:03:00Z', closesAt: '2026-11-23T10:20:00Z' };
    kit.edge.on('GET /operator/sales/phone', { json: soon });
    expect((await kit.run(['schedule', 'phone'])).status).toBe(0);
    expect(cronJob('warm')?.spec.schedule).toBe('1 10 23 11 *');
  });

  test('a clock here that is behind plans nothing that has passed in the cluster', async () => {
    const soon = { ...sale, opensAt: '2026-11-23T10:03:00Z', closesAt: '2026-11-23T10:20:00Z' };
    kit.edge.on('GET /operator/sales/phone', { json: soon });
    kit.api.aheadMs = 150_000;
    const { status, err } = await kit.run(['schedule', 'phone']);
    expect(status).toBe(0);
    expect(err).toMatch(/^warning: the clock here is 15[01] s behind the cluster's, by which/);
    expect(cronJob('warm')?.spec.schedule).toBe('4 10 23 11 *');
    kit.api.aheadMs = 20 * 60_000;
    expect((await kit.run(['schedule', 'phone'])).err).toContain('it has closed already');
    kit.api.aheadMs = -60_000;
    expect((await kit.run(['schedule', 'phone'])).err).toContain("s ahead of the cluster's");
    expect(cronJob('warm')?.spec.schedule).toBe('0 10 23 11 *');
  });

  test('a minute that has passed before its CronJob was made is told of', async () => {
    kit.api.before('patch', 'cronjobs.batch', () => {
      kit.api.aheadMs = 24 * 60 * 60_000 + 7_200_000;
    });
    const { status, err } = await kit.run(['schedule', 'phone']);
    expect(status).toBe(1);
    expect(err).toContain('may have missed that: run it again');
  });

  test.each([
    [{ opensAt: null }, [], 'no opening time of its own'],
    [{ closesAt: null }, [], 'no closing time of its own'],
    [{}, ['--opens', '2026-11-24T12:01:00Z'], 'has its opening at 2026-11-24T12:00:00.000Z'],
    [
      { opensAt: '2026-11-23T09:00:00Z', closesAt: '2026-11-23T10:00:00Z' },
      [],
      'has closed already',
    ],
    [{ opensAt: '2027-11-23T09:00:00Z', closesAt: '2027-11-23T10:00:00Z' }, [], 'knows no year'],
  ])('refuses %j %j', async (change, options, why) => {
    kit.edge.on('GET /operator/sales/phone', { json: { ...sale, ...change } });
    const { status, err } = await kit.run(['schedule', 'phone', ...options]);
    expect(status).toBe(1);
    expect(err).toContain(why);
    expect(cronJob('warm')).toBeUndefined();
  });

  test.each([
    [['--time-zone', 'Mars/Olympus']],
    [['--opens', 'tomorrow']],
    [['--opens', '2026-03-29T02:30', '--time-zone', 'Europe/Berlin']],
    [['--to', '0']],
  ])('is an error of usage: %j', async (options) => {
    expect(await kit.run(['schedule', 'phone', ...options])).toMatchObject({ status: 64, out: '' });
  });

  test('warming brings all functions up and loads the sale, with its tick', async () => {
    kit.edge.on('POST /operator/sales/phone/warm', { json: { ...sale, loaded: true } });
    const { status } = await kit.run(['schedule', 'run', 'warm', 'phone', '--to', '2']);
    expect(status).toBe(0);
    for (const name of ['ratelimit-edge-00001', 'purchase-00001']) {
      const { annotations } = kit.knative.revision(name).metadata;
      expect(annotations).toMatchObject({ 'autoscaling.knative.dev/min-scale': '2' });
    }
    expect(kit.api.at(kinds.pingSource, 'seckill-tick')).toBeDefined();
  });

  test('an instance that does not come keeps no sale from being loaded before it opens', async () => {
    kit.knative.addService({ name: 'rank', mood: { quota: 'it is used up' } });
    kit.edge.on('POST /operator/sales/phone/warm', { json: { ...sale, loaded: true } });
    const enough = new AbortController();
    const args = ['schedule', 'run', 'warm', 'phone', '--to', '2'];
    const running = kit.run(args, { interrupted: enough.signal });
    await vi.waitFor(
      () => {
        expect(kit.api.at(kinds.pingSource, 'seckill-tick')).toBeDefined();
      },
      { timeout: 20_000 },
    );
    enough.abort();
    expect((await running).status).toBe(130);
  });

  test('a sale that cannot be loaded keeps no instance from coming', async () => {
    kit.edge.on('POST /operator/sales/phone/warm', { problem: 'ended', detail: 'too late' });
    const { status, err } = await kit.run(['schedule', 'run', 'warm', 'phone', '--to', '2']);
    expect(status).toBe(1);
    expect(err).toContain('too late');
    const { annotations } = kit.knative.revision('purchase-00001').metadata;
    expect(annotations).toMatchObject({ 'autoscaling.knative.dev/min-scale': '2' });
  });

  test('a sale that was closed before its time brings nothing up', async () => {
    kit.edge.on('GET /operator/sales/phone', { json: settled });
    const { status, out } = await kit.run(['schedule', 'run', 'warm', 'phone', '--to', '2']);
    expect(status).toBe(0);
    expect(out).toContain('phone has ended already');
    const { annotations } = kit.knative.revision('purchase-00001').metadata;
    expect(annotations).not.toHaveProperty(['autoscaling.knative.dev/min-scale']);
  });

  test('what cools is made before what warms: nothing stays warm for ever', async () => {
    let times = 0;
    kit.api.before('patch', 'cronjobs.batch', () => {
      times += 1;
      if (times === 2) kit.api.forbid('patch', 'cronjobs.batch');
    });
    expect(await kit.run(['schedule', 'phone'])).toMatchObject({ status: 1 });
    expect(cronJob('settle')).toBeDefined();
    expect(cronJob('warm')).toBeUndefined();
  });

  test('settling cools, settles, and takes itself away but not what it has said', async () => {
    await kit.run(['schedule', 'phone']);
    kit.edge.on('POST /operator/sales/phone/warm', { json: sale });
    await kit.run(['schedule', 'run', 'warm', 'phone', '--to', '2']);
    kit.edge.on('GET /operator/sales/phone', { json: settled });
    kit.edge.on('POST /operator/sales/phone/close', { json: settled });
    kit.edge.on('GET /operator/sales', { json: { sales: [settled] } });
    const ran = await kit.run(['schedule', 'run', 'settle', 'phone', '--to', '2']);
    expect(ran).toMatchObject({ status: 0 });
    const { annotations } = kit.knative.revision('purchase-00001').metadata;
    expect(annotations).not.toHaveProperty(['autoscaling.knative.dev/min-scale']);
    expect([cronJob('warm'), cronJob('settle')]).toEqual([undefined, undefined]);
    expect(kit.api.at(kinds.pingSource, 'seckill-tick')).toBeUndefined();
  });

  test('settling goes on while the system is away', async () => {
    await kit.run(['schedule', 'phone']);
    const page = { status: 502, text: 'a page of the gateway' };
    kit.edge.on('GET /operator/sales/phone', page, { json: settled });
    kit.edge.on('POST /operator/sales/phone/close', page, { json: settled });
    kit.edge.on('GET /operator/sales', { json: { sales: [settled] } });
    const { status, err } = await kit.run(['schedule', 'run', 'settle', 'phone', '--to', '2']);
    expect(status).toBe(0);
    expect(err).toContain('phone is not settled: ');
    expect(err).toContain('It is tried again');
    expect(cronJob('settle')).toBeUndefined();
  });

  test('settling that ends before it is done says what remains, and who says more', async () => {
    await kit.run(['schedule', 'phone']);
    const closed = { ...settled, settled: false, pending: 3 };
    kit.edge.on('GET /operator/sales/phone', { json: closed });
    kit.edge.on('POST /operator/sales/phone/close', { json: closed });
    const verdict = { ok: false, known: true, problems: [], waiting: ['Kafka is away'] };
    kit.edge.on('GET /operator/sales/phone/verify', { json: { ...verdict, settling: true } });
    const args = ['schedule', 'run', 'settle', 'phone', '--to', '2', '--wait', '0s'];
    const { status, err } = await kit.run(args);
    expect(status).toBe(1);
    expect(err).toContain(
      'phone is still not settled, and this ends here: 3 orders are on their way to Kafka; ' +
        'Kafka is away. `kn-seckill sale close phone` goes on',
    );
    expect(cronJob('settle')).toBeDefined();
  });

  test('its Job has longer than it waits, and labels by which doctor finds it', async () => {
    await kit.run(['schedule', 'phone']);
    const job = JSON.stringify(cronJob('settle')?.spec);
    const [, seconds] = /"activeDeadlineSeconds":(\d+)/.exec(job) ?? [];
    expect(Number(seconds) * 1_000).toBeGreaterThan(parseDuration(settleWaitPreset) ?? Infinity);
    expect(cronJob('settle')?.spec).toMatchObject({
      jobTemplate: { metadata: { labels: { 'app.kubernetes.io/component': 'schedule' } } },
    });
  });

  test('a sale that is still open is not closed by its schedule', async () => {
    kit.edge.on('GET /operator/sales/phone', { json: { ...sale, state: 'open' } });
    const { status, err } = await kit.run(['schedule', 'run', 'settle', 'phone', '--to', '2']);
    expect(status).toBe(1);
    expect(err).toContain('is not closed');
    expect(kit.edge.asked.map(({ route }) => route)).toEqual(['GET /operator/sales/phone']);
  });
});
