import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Check } from '#lib/diagnosis.ts';
import { memory } from './kube/claims.ts';
import { kinds } from './kube/kinds.ts';
import { lostWarmthOf } from './kube/lost-warmth.ts';
import { type Kit, startKit } from './kube/test-kit.ts';

// The client of Kubernetes has a thousand modules, which a busy machine reads for seconds.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const minScale = 'autoscaling.knative.dev/min-scale';

let kit: Kit;
beforeEach(async () => {
  kit = await startKit();
});
afterEach(async () => {
  await kit.close();
});

const annotationsOf = (revision: string) => kit.knative.revision(revision).metadata.annotations;
const patches = () => kit.api.requests.filter(({ verb }) => verb === 'patch');

/** Somebody else writes to the revision. */
function annotate(revision: string, annotations: Readonly<Record<string, string>>): void {
  const now = kit.knative.revision(revision);
  const all = { ...now.metadata.annotations, ...annotations };
  kit.api.put({ ...now, metadata: { ...now.metadata, annotations: all } });
}

describe('warm', () => {
  test('raises min-scale of the live revision, wakes it once and waits until all are ready', async () => {
    const { status, out, err } = await kit.run(['scale', 'warm', 'purchase', '--to', '3']);
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(out).toMatch(/^SERVICE +REVISION +READY +NODES +FIRST ANSWER\n/);
    expect(out).toMatch(/\npurchase +purchase-00001 +3\/3 +n1 n2 n3 +200 after 0\.\d s\n$/);
    expect(err).toContain('purchase 1/3 ready');
    expect(kit.knative.woken).toEqual(new Map([['purchase-00001', 1]]));
    expect(annotationsOf('purchase-00001')?.[minScale]).toBe('3');
    // Nothing but autoscaling annotations of the revision: all else would replace its pods.
    expect(patches()).toHaveLength(1);
    const { resource, body } = patches()[0] ?? {};
    expect(resource).toBe('revisions.serving.knative.dev');
    expect(Object.keys(body ?? {})).toEqual(['metadata']);
    const { annotations } = (body?.['metadata'] ?? {}) as { annotations: object };
    for (const name of Object.keys(annotations)) expect(name).toMatch(/^autoscaling\.knative\.dev/);
  });

  test('what is asleep since the autoscaler was started anew comes by the request alone', async () => {
    kit.knative.addService({ name: 'rank', mood: 'asleep' });
    const { status } = await kit.run(['scale', 'warm', 'rank', '--to', '1']);
    expect(status).toBe(0);
    expect(kit.knative.woken.get('rank-00001')).toBe(1);
  });

  test('--all takes of each as many as its max-scale allows', async () => {
    kit.knative.addService({
      name: 'rank',
      annotations: { 'autoscaling.knative.dev/maxScale': '2' },
    });
    const { out } = await kit.run(['scale', 'warm', '--all', '--to', '3', '-o', 'json']);
    const warmed = JSON.parse(out) as { service: string; wanted: number; ready: number }[];
    expect(warmed.map(({ service, wanted, ready }) => [service, wanted, ready])).toEqual([
      ['ratelimit-edge', 3, 3],
      ['purchase', 3, 3],
      ['rank', 2, 2],
    ]);
  });

  test('more than max-scale allows is refused before anything is changed', async () => {
    const { status, err } = await kit.run([
      'scale',
      'warm',
      'ratelimit-edge',
      'purchase',
      '--to',
      '7',
    ]);
    expect(status).toBe(1);
    expect(err).toMatch(/may have 6 instances .+ ask for --to 6/);
    expect(patches()).toEqual([]);
  });

  test('an activation-scale that is lower is told before Knative refuses it', async () => {
    kit.knative.addService({
      name: 'rank',
      annotations: { 'autoscaling.knative.dev/activation-scale': '2' },
    });
    const { status, err } = await kit.run(['scale', 'warm', 'rank', '--to', '3']);
    expect({ status, patches: patches() }).toEqual({ status: 1, patches: [] });
    expect(err).toContain('activation-scale of 2');
  });

  test('somebody who writes at the same time is not overwritten', async () => {
    let times = 0;
    kit.api.before('patch', 'revisions.serving.knative.dev', () => {
      times += 1;
      if (times <= 2) annotate('purchase-00001', { 'example.com/note': `${times}` });
    });
    const { status } = await kit.run(['scale', 'warm', 'purchase', '--to', '1']);
    expect({ status, times }).toEqual({ status: 0, times: 3 });
    expect(annotationsOf('purchase-00001')).toMatchObject({
      [minScale]: '1',
      'example.com/note': '2',
    });
  });

  test('of two who warm at the same time in one name, nobody takes instances from the other', async () => {
    let looks = 0;
    kit.api.before('list', 'pods', () => {
      looks += 1;
      const others = { before: null, set: '4', claims: { operator: 4 } };
      if (looks === 1)
        annotate('purchase-00001', { [minScale]: '4', [memory]: JSON.stringify(others) });
    });
    const { status } = await kit.run(['scale', 'warm', 'purchase', '--to', '2']);
    expect({ status, isAgain: looks > 1 }).toEqual({ status: 0, isAgain: true });
    expect(annotationsOf('purchase-00001')).toMatchObject({ [minScale]: '4' });
  });

  test('during a roll-out each revision with traffic has its share, and the next one is awaited', async () => {
    kit.knative.addRevision('purchase', 'purchase-00002');
    kit.knative.route('purchase', { 'purchase-00001': 75, 'purchase-00002': 25 });
    const { out } = await kit.run(['scale', 'warm', 'purchase', '--to', '4', '-o', 'json']);
    const warmed = JSON.parse(out) as { revision: string; ready: number }[];
    expect(warmed.map(({ revision, ready }) => [revision, ready])).toEqual([
      ['purchase-00001', 3],
      ['purchase-00002', 1],
    ]);
  });

  test('a revision that arrives in the middle is warmed, too', async () => {
    let looks = 0;
    kit.api.before('list', 'pods', () => {
      looks += 1;
      if (looks === 1) {
        kit.knative.addRevision('purchase', 'purchase-00002');
        kit.knative.route('purchase', { 'purchase-00001': 100 }, 'purchase-00002');
      }
      if (looks === 3) kit.knative.route('purchase', { 'purchase-00002': 100 });
    });
    const { status, out, err } = await kit.run(['scale', 'warm', 'purchase', '--to', '2']);
    expect(status).toBe(0);
    expect(out).toMatch(/purchase-00002 +2\/2/);
    expect(err).toContain('purchase-00002 is being rolled out');
    expect(annotationsOf('purchase-00002')?.[minScale]).toBe('2');
  });

  const image = 'Back-off pulling image "ghcr.io/seckill/purchase:9.9.9"';
  test.each([
    [
      'the image cannot be pulled',
      { pod: { containerStatuses: [waiting('ImagePullBackOff', image)] } },
      `container purchase: ImagePullBackOff: ${image}`,
    ],
    [
      'no node has room',
      {
        pod: {
          conditions: [
            {
              ...{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' },
              message: '0/3 nodes are available: 3 Insufficient cpu.',
            },
          ],
        },
      },
      'Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.',
    ],
    [
      'the probe fails',
      {
        pod: { containerStatuses: [{ name: 'purchase', ready: false, state: { running: {} } }] },
        events: [{ reason: 'Unhealthy', message: 'Readiness probe failed: HTTP 503' }],
      },
      'Readiness probe failed: HTTP 503',
    ],
    [
      'it ends again and again',
      {
        pod: {
          containerStatuses: [
            {
              ...waiting('CrashLoopBackOff', 'back-off 10s'),
              lastState: { terminated: { reason: 'OOMKilled', exitCode: 137 } },
            },
          ],
        },
      },
      'container purchase ended with 137 (OOMKilled)',
    ],
    [
      'a quota is used up',
      { quota: 'pods "x" is forbidden: exceeded quota: compute' },
      'no pod can be made: FailedCreate: pods "x" is forbidden: exceeded quota: compute',
    ],
  ])(
    'a revision that never gets ready: %s',
    async (_, mood, why) => {
      kit.knative.addService({ name: 'rank', mood });
      const args = ['scale', 'warm', 'rank', '--to', '2', '--wait', '2s'];
      const { status, out, err } = await kit.run([...args, '-o', 'json']);
      expect(status).toBe(1);
      expect(JSON.parse(out)).toMatchObject([
        { wanted: 2, ready: 0, why: expect.stringContaining(why) as unknown },
      ]);
      expect(err).toContain(`rank 0/2 ready (`);
      expect(err).toContain(why);
      expect(err).toContain('scale cool');
      // It may still come: what was asked for stands.
      expect(annotationsOf('rank-00001')?.[minScale]).toBe('2');
    },
    20_000,
  );

  test('without the right to patch revisions it says which is missing and how to check it', async () => {
    kit.api.forbid('patch', 'revisions.serving.knative.dev');
    const { status, err } = await kit.run(['scale', 'warm', 'purchase', '--to', '2']);
    expect(status).toBe(1);
    expect(err).toContain(
      'olga may not patch revisions.serving.knative.dev in the namespace seckill',
    );
    expect(err).toContain('`kubectl auth can-i patch revisions.serving.knative.dev -n seckill`');
  });

  test('without the right to wake, to read events or deployments it does what it may', async () => {
    kit.api.forbid('*', 'services/proxy');
    kit.api.forbid('*', 'events');
    kit.api.forbid('*', 'deployments.apps');
    kit.knative.addService({ name: 'rank', mood: { pod: {} } });
    const enough = await kit.run(['scale', 'warm', 'purchase', '--to', '2', '-o', 'json']);
    expect(enough.status).toBe(0);
    expect(JSON.parse(enough.out)).toMatchObject([
      {
        ready: 2,
        answered: null,
        why: expect.stringContaining('may not get services/proxy') as unknown,
      },
    ]);
    const few = await kit.run(['scale', 'warm', 'rank', '--to', '2', '--wait', '2s']);
    expect(few).toMatchObject({ status: 1 });
    expect(few.err).toContain('rank 0/2 ready');
  });

  test('Ctrl-C leaves what was raised, and says how to put it back', async () => {
    kit.knative.addService({ name: 'rank', mood: { pod: {} } });
    const interrupt = new AbortController();
    kit.api.before('list', 'pods', () => {
      interrupt.abort();
    });
    const { status, err } = await kit.run(['scale', 'warm', 'rank', '--to', '2'], {
      interrupted: interrupt.signal,
    });
    expect(status).toBe(130);
    expect(err).toContain('scale cool');
    expect(annotationsOf('rank-00001')?.[minScale]).toBe('2');
  });

  test.each([[[]], [['purchase', '--all']]])('names services or takes all: %j', async (args) => {
    expect(await kit.run(['scale', 'warm', '--to', '2', ...args])).toMatchObject({ status: 64 });
  });

  test('a service or a namespace that is not there is told', async () => {
    const none = await kit.run(['scale', 'warm', 'nobody', '--to', '2']);
    expect(none.status).toBe(1);
    expect(none.err).toContain('there is no Knative Service nobody in the namespace seckill');
    const empty = await kit.run(['scale', 'warm', '--all', '--to', '2', '-n', 'elsewhere']);
    expect(empty.err).toContain('the namespace elsewhere of fake has no Knative Service');
  });

  test('a cluster without Knative is told', async () => {
    kit.api.lacks('serving.knative.dev/v1');
    const { status, err } = await kit.run(['scale', 'warm', '--all', '--to', '2']);
    expect(status).toBe(1);
    expect(err).toContain('Is Knative Serving installed?');
  });
});

function waiting(reason: string, message: string): object {
  return { name: 'purchase', ready: false, state: { waiting: { reason, message } } };
}

describe('cool', () => {
  const warm = (...more: readonly string[]) =>
    kit.run(['scale', 'warm', 'purchase', '--wait', '1s', ...more]);
  const cool = (...more: readonly string[]) => kit.run(['scale', 'cool', 'purchase', ...more]);

  test.each([[undefined], ['0'], ['1']])(
    'puts a min-scale of %s back',
    async (before) => {
      if (before !== undefined) annotate('purchase-00001', { [minScale]: before });
      const untouched = annotationsOf('purchase-00001');
      await warm('--to', '2');
      expect(annotationsOf('purchase-00001')?.[minScale]).toBe('2');
      const { status, out } = await cool();
      expect(status).toBe(0);
      expect(out).toMatch(/purchase +purchase-00001 +restored\n/);
      expect(annotationsOf('purchase-00001')).toEqual(untouched);
      expect((await cool()).out).toBe('Nothing was warm.\n');
    },
    20_000,
  );

  test('what was higher before stays as high', async () => {
    annotate('purchase-00001', { [minScale]: '4' });
    await warm('--to', '2');
    expect(annotationsOf('purchase-00001')?.[minScale]).toBe('4');
    await cool();
    expect(annotationsOf('purchase-00001')?.[minScale]).toBe('4');
  });

  test('one sale that ends takes nothing from another', async () => {
    await warm('--to', '2', '--for', 'phone');
    await warm('--to', '3', '--for', 'lamp');
    const { out } = await cool('--for', 'lamp', '-o', 'json');
    expect(JSON.parse(out)).toMatchObject([{ result: 'held', claims: { phone: 2 } }]);
    expect(annotationsOf('purchase-00001')?.[minScale]).toBe('2');
    expect((await cool()).out).toMatch(/not warm; held: 2 for phone\n/);
    await cool('--force');
    expect(annotationsOf('purchase-00001')).not.toHaveProperty([minScale]);
    expect(annotationsOf('purchase-00001')).not.toHaveProperty([memory]);
  });

  test('what somebody has set by hand meanwhile stands', async () => {
    await warm('--to', '2');
    annotate('purchase-00001', { [minScale]: '5' });
    expect((await cool()).out).toContain('somebody has changed min-scale meanwhile');
    expect(annotationsOf('purchase-00001')?.[minScale]).toBe('5');
    expect(annotationsOf('purchase-00001')).not.toHaveProperty([memory]);
  });

  test('revisions without traffic are put back, too, over several pages', async () => {
    await warm('--to', '2');
    kit.knative.addRevision('purchase', 'purchase-00002');
    kit.knative.route('purchase', { 'purchase-00002': 100 });
    kit.api.pageSize = 1;
    await kit.run(['scale', 'cool', '--all']);
    expect(annotationsOf('purchase-00001')).not.toHaveProperty([minScale]);
    expect(kit.api.at(kinds.revision, 'purchase-00002')).toBeDefined();
  });
});

describe('after a roll-out', () => {
  const lost = () =>
    lostWarmthOf([...kit.api.objects.list('revisions.serving.knative.dev', 'seckill')]);
  const warm = (...args: string[]) => kit.run(['scale', 'warm', 'purchase', ...args]);
  function rollOut(revision: string, annotations: Readonly<Record<string, string>> = {}): void {
    kit.knative.addRevision('purchase', revision);
    annotate(revision, annotations);
    kit.knative.route('purchase', { [revision]: 100 });
  }

  test('what was warm is told of by doctor, until somebody warms or cools again', async () => {
    await warm('--to', '3');
    kit.knative.addRevision('purchase', 'purchase-00002');
    // Until it has the traffic, the old one keeps what it has.
    expect(lost()).toEqual([]);
    kit.knative.route('purchase', { 'purchase-00002': 100 });
    kit.edge.on('GET /operator/doctor', { problem: 'not_found' });
    const { out } = await kit.run(['doctor', '-o', 'json']);
    const { checks } = JSON.parse(out) as { checks: Check[] };
    expect(checks.find(({ name }) => name === 'warmth')).toMatchObject({
      result: 'wrong',
      found: 'a roll-out has taken what `scale warm` has set: purchase keeps 0 of 3 for operator',
      todo:
        '`kn-seckill scale warm purchase --to 3`; where it is needed no more, ' +
        '`kn-seckill scale cool purchase`',
    });
    // Said anew, and fewer: what the old one remembers is past.
    await warm('--to', '2');
    expect(lost()).toEqual([]);
    rollOut('purchase-00003');
    expect(lost()).toMatchObject([{ holder: 'operator', has: 0 }]);
    await kit.run(['scale', 'cool', '--all']);
    expect(lost()).toEqual([]);
  });

  test('a new revision that brings as many of its own is as warm', async () => {
    await warm('--to', '2');
    rollOut('purchase-00002', { [minScale]: '2' });
    expect(lost()).toEqual([]);
    rollOut('purchase-00003', { [minScale]: '1' });
    expect(lost()).toMatchObject([{ service: 'purchase', wanted: 2, has: 1 }]);
  });
});

test('a product named like the people who warm by hand takes nothing from them', async () => {
  await kit.run(['scale', 'warm', 'purchase', '--to', '2']);
  const sale = { productId: 'operator', state: 'scheduled', loaded: true, settled: false };
  kit.edge.on('GET /operator/sales/operator', { json: sale });
  kit.edge.on('POST /operator/sales/operator/warm', { json: sale });
  await kit.run(['schedule', 'run', 'warm', 'operator', '--to', '1']);
  const ended = { ...sale, state: 'ended', settled: true };
  kit.edge.on('GET /operator/sales/operator', { json: ended });
  kit.edge.on('POST /operator/sales/operator/close', { json: ended });
  kit.edge.on('GET /operator/sales', { json: { sales: [ended] } });
  await kit.run(['schedule', 'run', 'settle', 'operator', '--to', '1']);
  expect(annotationsOf('purchase-00001')?.[minScale]).toBe('2');
  expect(annotationsOf('ratelimit-edge-00001')).not.toHaveProperty([minScale]);
});

test.each(['', 'two words', 'x'.repeat(81)])('nobody is called %j', async (name) => {
  for (const args of [
    ['warm', 'purchase', '--to', '1'],
    ['cool', 'purchase'],
  ]) {
    expect(await kit.run(['scale', ...args, '--for', name])).toMatchObject({ status: 64 });
  }
});
