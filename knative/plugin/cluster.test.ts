import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { fakeKey } from './fake-edge.ts';
import { kinds } from './kube/kinds.ts';
import { type Kit, startKit } from './kube/test-kit.ts';
import type { Sale } from './show-sale.ts';
import { tickName } from './tick.ts';

// The client of Kubernetes has a thousand modules, which a busy machine reads for seconds.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let kit: Kit;
beforeEach(async () => {
  kit = await startKit();
});
afterEach(async () => {
  await kit.close();
});

const minuteMs = 60_000;
const soon = Math.ceil(Date.now() / minuteMs) * minuteMs + 60 * minuteMs;
const iso = (epochMs: number) => new Date(epochMs).toISOString();
const sale: Sale = {
  ...{ productId: 'phone', name: 'Phone', unitPrice: 1, currency: 'CNY', stock: 5, left: 5 },
  ...{
    sold: 0,
    pending: 0,
    state: 'open',
    opensAt: iso(soon),
    closesAt: iso(soon + 30 * minuteMs),
  },
  ...{ limitPerUser: 1, loaded: true, settled: false },
};
const tick = () => kit.api.at(kinds.pingSource, tickName);

describe('target', () => {
  test('is the route of the cluster, signed for with the key in its Secret', async () => {
    kit.edge.on('GET /operator/sales', { json: { sales: [] } });
    expect(await kit.run(['sale', 'list'])).toMatchObject({ status: 0, err: '' });
    expect(kit.edge.asked).toMatchObject([{ operator: 'olga' }]);
    const secrets = kit.api.requests.filter(({ resource }) => resource === 'secrets');
    expect(secrets).toMatchObject([{ verb: 'get', namespace: 'seckill', name: 'seckill-keys' }]);
  });

  test('a key in the environment needs no right to the Secret', async () => {
    kit.api.forbid('*', 'secrets');
    kit.edge.on('GET /operator/sales', { json: { sales: [] } });
    const refused = await kit.run(['sale', 'list']);
    expect(refused.status).toBe(1);
    expect(refused.err).toContain('olga may not get secrets in the namespace seckill');
    expect(await kit.run(['sale', 'list'], { env: { SECKILL_JWT_KEY: fakeKey } })).toMatchObject({
      status: 0,
    });
  });

  test('tokens are signed with the key of the cluster, for whom its edge trusts', async () => {
    const container = { image: 'x', envFrom: [{ configMapRef: { name: 'seckill-abc' } }] };
    const edge = kit.api.at(kinds.knativeService, 'ratelimit-edge');
    if (edge === undefined) throw new Error('there is no edge');
    kit.api.put({ ...edge, ...{ spec: { template: { spec: { containers: [container] } } } } });
    kit.api.put({
      ...{ ...kinds.configMap, metadata: { name: 'seckill-abc' } },
      ...{ data: { SECKILL_JWT_ISSUER: 'https://id.example' } },
    });
    const { status, out } = await kit.run(['token', '--user', 'ann', '-n', 'seckill']);
    expect(status).toBe(0);
    const key = new TextEncoder().encode(fakeKey);
    const { payload } = await jwtVerify(out.trim(), key);
    expect(payload).toMatchObject({ sub: 'ann', iss: 'https://id.example', aud: 'seckill' });
  });

  test('the key of a cluster goes to no other system, unless that cluster is named', async () => {
    const url = kit.edge.url;
    const other = await kit.run(['sale', 'list', '--url', url], { env: { SECKILL_GATEWAY: '' } });
    expect(other).toMatchObject({ status: 1 });
    expect(other.err).toContain('there is no key to sign a token with');
    expect(kit.edge.asked).toEqual([]);
    kit.edge.on('GET /operator/sales', { json: { sales: [] } });
    const named = await kit.run(['sale', 'list', '--url', url, '--context', 'fake']);
    expect(named).toMatchObject({ status: 0 });
  });

  test('requests go to the gateway in the name of the route', async () => {
    const { createServer } = await import('node:http');
    const hosts: unknown[] = [];
    const gateway = createServer((request, response) => {
      hosts.push(request.headers.host);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"sales":[]}');
    });
    await new Promise<void>((resolve) => {
      gateway.listen(0, '127.0.0.1', resolve);
    });
    const { port } = gateway.address() as { port: number };
    const args = ['--gateway', `http://127.0.0.1:${port}`, 'sale', 'list'];
    expect(await kit.run(args)).toMatchObject({ status: 0 });
    expect(hosts).toEqual(['ratelimit-edge.seckill.kn.test']);
    gateway.closeAllConnections();
    await new Promise((resolve) => gateway.close(resolve));
  });

  test('a route that no name server knows is told with what to do', async () => {
    const { status, err } = await kit.run(['sale', 'list'], { env: { SECKILL_GATEWAY: '' } });
    expect(status).toBe(1);
    expect(err).toContain('--gateway');
  });

  test('where the system is not installed, where no cluster is, and where one is away', async () => {
    const elsewhere = await kit.run(['sale', 'list', '-n', 'elsewhere']);
    expect(elsewhere.err).toContain('there is no Knative Service ratelimit-edge');
    const none = await kit.run(['sale', 'list'], { env: { KUBECONFIG: '', SECKILL_GATEWAY: '' } });
    expect(none.err).toContain('no system is known');
    const context = await kit.run(['sale', 'list', '--context', 'other']);
    expect(context.err).toContain('there is no context other in the kubeconfig (it has: fake)');
    const away = join(kit.kubeconfig, '../away');
    const config = {
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'a' },
      clusters: [{ name: 'a', cluster: { server: 'https://127.0.0.1:9' } }],
      users: [{ name: 'a', user: { token: 'a' } }],
      contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
    };
    writeFileSync(away, JSON.stringify(config));
    const unreachable = await kit.run(['sale', 'list', '--kubeconfig', away, '-o', 'json']);
    expect(unreachable.status).toBe(1);
    expect(JSON.parse(unreachable.out)).toMatchObject({ ok: false, outcome: 'kube_unreachable' });
  });

  test('credentials that have expired are told', async () => {
    const file = join(kit.kubeconfig, '../expired');
    writeFileSync(
      file,
      JSON.stringify({
        ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'a' },
        clusters: [
          { name: 'a', cluster: { server: kit.api.url, 'insecure-skip-tls-verify': true } },
        ],
        users: [{ name: 'eve', user: { token: 'expired' } }],
        contexts: [{ name: 'a', context: { cluster: 'a', user: 'eve' } }],
      }),
    );
    const { status, err } = await kit.run(['sale', 'list', '--kubeconfig', file]);
    expect(status).toBe(1);
    expect(err).toContain('does not accept the credentials of eve');
  });
});

describe('tick', () => {
  const settled = { ...sale, state: 'ended', settled: true };

  test.each(['open', 'warm'])('comes with sale %s, once', async (verb) => {
    kit.edge.on(`POST /operator/sales/phone/${verb}`, { json: sale });
    for (let time = 1; time <= 2; time += 1) {
      expect(await kit.run(['sale', verb, 'phone'])).toMatchObject({ status: 0, err: '' });
    }
    expect(tick()).toMatchObject({
      spec: { schedule: '* * * * *', sink: { ref: { name: 'purchase' }, uri: '/tick' } },
    });
  });

  test('goes when the last sale is settled, and not before', async () => {
    kit.edge.on('POST /operator/sales/phone/open', { json: sale });
    kit.edge.on('POST /operator/sales/phone/close', { json: settled });
    await kit.run(['sale', 'open', 'phone']);
    const other = { ...sale, productId: 'lamp' };
    kit.edge.on('GET /operator/sales', { json: { sales: [settled, other] } });
    await kit.run(['sale', 'close', 'phone']);
    expect(tick()).toBeDefined();
    const planned = { ...other, state: 'scheduled', loaded: false };
    kit.edge.on('GET /operator/sales', { json: { sales: [settled, planned] } });
    expect(await kit.run(['sale', 'close', 'phone'])).toMatchObject({ status: 0 });
    expect(tick()).toBeUndefined();
    expect(await kit.run(['sale', 'close', 'phone'])).toMatchObject({ status: 0 });
  });

  test('comes back where a sale was opened while it was taken away', async () => {
    kit.edge.on('POST /operator/sales/phone/open', { json: sale });
    kit.edge.on('POST /operator/sales/phone/close', { json: settled });
    await kit.run(['sale', 'open', 'phone']);
    const [first, second] = [{ sales: [settled] }, { sales: [settled, sale] }];
    kit.edge.on('GET /operator/sales', { json: first }, { json: second });
    await kit.run(['sale', 'close', 'phone']);
    expect(tick()).toBeDefined();
    const verbs = kit.api.requests
      .filter(({ resource }) => resource.startsWith('pingsources'))
      .map(({ verb }) => verb);
    expect(verbs).toEqual(['patch', 'get', 'delete', 'patch']);
  });

  test('stays where a sale was loaded after the sales were looked at', async () => {
    kit.edge.on('POST /operator/sales/phone/open', { json: sale });
    kit.edge.on('POST /operator/sales/phone/close', { json: settled });
    await kit.run(['sale', 'open', 'phone']);
    const first = tick();
    const [none, lamp] = [{ sales: [settled] }, { sales: [settled, sale] }];
    kit.edge.on('GET /operator/sales', { json: none }, { json: lamp });
    // As another's `sale warm` would, which finds the tick there.
    let isFirst = true;
    kit.api.before('delete', 'pingsources.sources.knative.dev', () => {
      const now = tick();
      if (isFirst && now) {
        const annotations = { 'kn-seckill/needed-by': 'another' };
        kit.api.put({ ...now, metadata: { ...now.metadata, annotations } });
      }
      isFirst = false;
    });
    expect(await kit.run(['sale', 'close', 'phone'])).toMatchObject({ status: 0, err: '' });
    // Not made anew: it was there all the time.
    expect(tick()?.metadata.uid).toBe(first?.metadata.uid);
  });

  test('is written to by everybody who needs it, or nobody could see that', async () => {
    kit.edge.on('POST /operator/sales/phone/open', { json: sale });
    await kit.run(['sale', 'open', 'phone']);
    const before = tick()?.metadata;
    await kit.run(['sale', 'open', 'phone']);
    expect(tick()?.metadata.uid).toBe(before?.uid);
    expect(tick()?.metadata.resourceVersion).not.toBe(before?.resourceVersion);
  });

  test('is back where nobody tells any more, once it is gone, whether a sale needs it', async () => {
    kit.edge.on('POST /operator/sales/phone/open', { json: sale });
    kit.edge.on('POST /operator/sales/phone/close', { json: settled });
    await kit.run(['sale', 'open', 'phone']);
    kit.edge.on('GET /operator/sales', { json: { sales: [settled] } }, { problem: 'forbidden' });
    expect(await kit.run(['sale', 'close', 'phone'])).toMatchObject({ status: 1 });
    expect(tick()).toBeDefined();
  });

  test('where it cannot be made, the sale is open all the same, and that is said', async () => {
    kit.api.forbid('patch', 'pingsources.sources.knative.dev');
    kit.edge.on('POST /operator/sales/phone/open', { json: sale });
    const { status, out, err } = await kit.run(['sale', 'open', 'phone']);
    expect(status).toBe(1);
    expect(out).toContain('state       open');
    expect(err).toContain('phone is open, but nothing looks after it once nobody buys');
    expect(err).toContain('may not patch pingsources.sources.knative.dev');
  });

  test('nobody makes one for a system that is named by its address alone', async () => {
    kit.edge.on('POST /operator/sales/phone/open', { json: sale });
    const env = { SECKILL_GATEWAY: '', SECKILL_URL: kit.edge.url, SECKILL_JWT_KEY: fakeKey };
    const { status, err } = await kit.run(['sale', 'open', 'phone'], { env });
    expect(status).toBe(0);
    expect(err).toContain('phone is open, and no cluster was named');
    expect(kit.api.requests).toEqual([]);
  });
});
