import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { type Front, startFront } from './front.ts';
import { choosePort } from './ports.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Fake {
  readonly name: string;
  readonly url: string;
  readonly server: Server;
  /** What it was asked, but for probes: method, path and body. */
  readonly asked: string[];
  isReady: boolean;
  /** Of requests that it leaves unanswered, those that broke off. */
  broken: number;
}

/** Answers with its name; to `/hang` nothing, and to `/die` by closing the connection. */
async function instance(name: string): Promise<Fake> {
  const server = createServer((incoming, outgoing) => {
    if (incoming.url === '/readyz') {
      outgoing.writeHead(fake.isReady ? 200 : 503).end();
      return;
    }
    let body = '';
    incoming.on('data', (chunk) => (body += String(chunk)));
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) fake.broken += 1;
    });
    incoming.on('end', () => {
      fake.asked.push(`${incoming.method} ${incoming.url} ${body}`);
      if (incoming.url === '/die') incoming.socket.destroy();
      else if (incoming.url === '/from') outgoing.end(incoming.headers['x-forwarded-for']);
      else if (incoming.url !== '/hang') outgoing.writeHead(202, { 'x-name': name }).end(name);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake: Fake = { name, url, server, asked: [], isReady: true, broken: 0 };
  closers.push(() => close(fake));
  return fake;
}

async function close({ server }: Fake): Promise<void> {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
}

async function frontOf(...fakes: readonly Fake[]): Promise<Front> {
  const front = await startFront(
    await choosePort(),
    fakes.map(({ url }) => url),
  );
  closers.push(() => front.stop());
  return front;
}

async function ask(front: Front, path = '/', body?: string): Promise<string> {
  const method = body === undefined ? 'GET' : 'POST';
  const answer = await fetch(`${front.url}${path}`, { method, ...(body && { body }) });
  return `${answer.status} ${await answer.text()}`;
}

test('each request goes to the next one, as it came, and so does the answer', async () => {
  const fakes = [await instance('a'), await instance('b'), await instance('c')];
  const front = await frontOf(...fakes);
  await front.untilAllReady();
  const answers = [];
  for (let n = 0; n < 6; n += 1) answers.push(await ask(front, `/at?n=${n}`, `body ${n}`));
  expect(answers.toSorted()).toEqual(['202 a', '202 a', '202 b', '202 b', '202 c', '202 c']);
  expect(new Set(answers.slice(0, 3)).size).toBe(3);
  expect(fakes.flatMap(({ asked }) => asked).toSorted()).toEqual(
    [0, 1, 2, 3, 4, 5].map((n) => `POST /at?n=${n} body ${n}`),
  );
});

test('who asks is written down', async () => {
  const front = await frontOf(await instance('a'));
  await front.untilAllReady();
  const answer = await fetch(`${front.url}/from`, { headers: { 'x-forwarded-for': '10.1.1.1' } });
  expect(await answer.text()).toBe('10.1.1.1, 127.0.0.1');
});

test('one that is not ready gets nothing, and is asked again when it is', async () => {
  const [a, b] = [await instance('a'), await instance('b')];
  b.isReady = false;
  const front = await frontOf(a, b);
  await vi.waitFor(async () => {
    expect(await ask(front)).toBe('202 a');
  });
  for (let n = 0; n < 4; n += 1) expect(await ask(front)).toBe('202 a');
  expect(b.asked).toEqual([]);
  b.isReady = true;
  await front.untilAllReady();
  expect([await ask(front), await ask(front)].toSorted()).toEqual(['202 a', '202 b']);
});

test('one that refuses the connection costs nobody anything', async () => {
  const [a, b] = [await instance('a'), await instance('b')];
  const front = await frontOf(a, b);
  await front.untilAllReady();
  await close(a);
  const answers = await Promise.all([1, 2, 3, 4].map((n) => ask(front, '/', `body ${n}`)));
  expect(answers).toEqual(Array(4).fill('202 b'));
  expect(b.asked.toSorted()).toEqual([1, 2, 3, 4].map((n) => `POST / body ${n}`));
});

test('what broke off on its way is told, and not repeated elsewhere', async () => {
  const [a, b] = [await instance('a'), await instance('b')];
  const front = await frontOf(a, b);
  await front.untilAllReady();
  expect(await ask(front, '/die', 'once')).toBe('502 the instance has gone\n');
  expect([...a.asked, ...b.asked]).toEqual(['POST /die once']);
});

test('without any it is unavailable, and one may ask again', async () => {
  const a = await instance('a');
  a.isReady = false;
  const front = await frontOf(a);
  const answer = await fetch(front.url);
  expect(answer.status).toBe(503);
  expect(answer.headers.get('retry-after')).toBe('1');
  expect(await answer.json()).toMatchObject({ outcome: 'unavailable' });
});

test('whoever leaves is not waited for', async () => {
  const a = await instance('a');
  const front = await frontOf(a);
  await front.untilAllReady();
  const leaving = request(`${front.url}/hang`);
  leaving.on('error', () => undefined);
  leaving.end();
  await vi.waitFor(() => {
    expect(a.asked).toEqual(['GET /hang ']);
  });
  leaving.destroy();
  await vi.waitFor(() => {
    expect(a.broken).toBe(1);
  });
  expect(await ask(front)).toBe('202 a');
});
