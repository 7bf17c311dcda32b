import { expect, onTestFinished, test } from 'vitest';
import { once } from '#lib/testing/once.ts';
import { sinkConnectionsMax } from './constants.ts';
import { createHttpSender } from './http-sender.ts';
import { startSink } from './test-kit.ts';

const good = { headers: { 'ce-id': '1' }, body: Buffer.from('x') };
const bad = { ...good, headers: { 'content-type': '\ufffd' } };

function openSender(...parts: Parameters<typeof createHttpSender>) {
  const sender = createHttpSender(...parts);
  onTestFinished(() => sender.close());
  return sender;
}

test('what no header can be costs no connection, and is not called the sink’s', once, async () => {
  const sink = await startSink();
  const sender = openSender(sink.url, 5_000);
  for (let nth = 0; nth < 2 * sinkConnectionsMax; nth += 1) {
    expect(await sender.send(bad)).toEqual({
      ...{ kind: 'unsendable', reason: 'HTTP cannot carry its content-type' },
    });
  }
  expect(await sender.send(good)).toMatchObject({ kind: 'answered', status: 204 });
  expect(sink.received).toHaveLength(1);
});

const noAnswer = { kind: 'unanswered', reason: 'no answer in time' };

test('it comes back in time, whatever the HTTP client does', once, async () => {
  const never = () => new Promise<never>(() => undefined);
  expect(await openSender('http://127.0.0.1/', 50, never).send(good)).toEqual(noAnswer);
});

test('so it does when all connections are taken, and then they are free again', async () => {
  let isSlow = true;
  const sink = await startSink(() => (isSlow ? new Promise<never>(() => undefined) : 204));
  const sender = openSender(sink.url, 1_000);
  const sent = Array.from({ length: 2 * sinkConnectionsMax }, () => sender.send(good));
  expect(await Promise.all(sent)).toEqual(sent.map(() => noAnswer));
  expect(sink.open.most).toBe(sinkConnectionsMax);
  isSlow = false;
  const again = Array.from({ length: 2 * sinkConnectionsMax }, () => sender.send(good));
  expect(new Set((await Promise.all(again)).map(({ kind }) => kind))).toEqual(
    new Set(['answered']),
  );
});

test('no connection has its reason', async () => {
  const reason = expect.stringMatching(/ECONNREFUSED/) as string;
  expect(await openSender('http://127.0.0.1:1/', 5_000).send(good)).toEqual({
    ...{ kind: 'unanswered', reason },
  });
});
