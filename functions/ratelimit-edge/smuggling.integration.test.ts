// Requests whose end one reader sees here and another there: what stands behind such an end could be
// smuggled past a proxy, as a request of its own. None is read; the connection is closed.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { rawClient } from '#lib/testing/raw-client.ts';
import {
  type Edge,
  type FakePurchase,
  startEdge,
  startFakePurchase,
  tokenFor,
} from './testing/edge-fixture.ts';

let store: OwnStore;
let purchase: FakePurchase;
let edge: Edge;
/** The line and headers of a purchase, but for what says how long it is. */
let head: string;

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  purchase = await startFakePurchase();
  edge = await startEdge(store.address, purchase.url);
  head =
    'POST /api/products/p1/purchase HTTP/1.1\r\nHost: x\r\nIdempotency-Key: key-12345\r\n' +
    `Authorization: Bearer ${await tokenFor('user')}\r\nContent-Type: application/json\r\n`;
});

afterAll(async () => {
  await edge.stop();
  await purchase.close();
  await store.remove();
});

beforeEach(() => {
  purchase.seen.length = 0;
});

/** A purchase whose end two readers would see at different places. */
const twoEnds: [what: string, headers: string, body: string][] = [
  ['two lengths', 'Content-Length: 14\r\nContent-Length: 2', '{"quantity":1}'],
  ['the same length twice', 'Content-Length: 14\r\nContent-Length: 14', '{"quantity":1}'],
  ['a list of lengths', 'Content-Length: 14, 14', '{"quantity":1}'],
  ['a length with a sign', 'Content-Length: +14', '{"quantity":1}'],
  ['a length in hexadecimal', 'Content-Length: 0xe', '{"quantity":1}'],
  ['a length and chunks', 'Content-Length: 14\r\nTransfer-Encoding: chunked', chunked()],
  ['chunks and a length', 'Transfer-Encoding: chunked\r\nContent-Length: 14', chunked()],
  ['a space before the colon', 'Transfer-Encoding : chunked', chunked()],
  ['chunks twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', chunked()],
  ['no chunks in the end', 'Transfer-Encoding: chunked, identity', chunked()],
  ['nearly chunks', 'Transfer-Encoding: xchunked', chunked()],
  ['no chunks at all', 'Transfer-Encoding: identity', '{"quantity":1}'],
  ['a folded header', 'Transfer-Encoding:\r\n chunked', chunked()],
  ['a header that goes on', 'X-A: b\r\n c\r\nContent-Length: 14', '{"quantity":1}'],
  ['a bare line feed', 'X-A: b\nContent-Length: 14', '{"quantity":1}'],
  ['a bare carriage return', 'X-A: b\rContent-Length: 14', '{"quantity":1}'],
  ['line feeds in the chunks', 'Transfer-Encoding: chunked', 'e\n{"quantity":1}\n0\n\n'],
  ['a chunk in 0x', 'Transfer-Encoding: chunked', chunked('0xe')],
  ['a chunk of too many', 'Transfer-Encoding: chunked', chunked('fffffffffffffffff')],
  ['a chunk of less than none', 'Transfer-Encoding: chunked', chunked('-e')],
  ['a line feed after an extension', 'Transfer-Encoding: chunked', chunked('e;\n')],
  ['a long extension', 'Transfer-Encoding: chunked', chunked(`e;${'a'.repeat(20_000)}`)],
];

function chunked(size = 'e'): string {
  return `${size}\r\n{"quantity":1}\r\n0\r\n\r\n`;
}

/** Sends it; resolves with the answer once it is there, or the connection has ended. */
async function send(headers: string, body: string): Promise<string> {
  const client = await rawClient(edge.port, `${head}${headers}\r\n\r\n${body}`);
  await Promise.race([client.closed, client.untilSent('}')]);
  client.socket.destroy();
  return client.text();
}

const plain = ['Content-Length: 14', '{"quantity":1}'] as const;

test.each(twoEnds)('%s: refused, and nothing behind it is read', async (_what, headers, body) => {
  const behind = `${head}${plain[0]}\r\n\r\n${plain[1]}`;
  const { closed } = await rawClient(edge.port, `${head}${headers}\r\n\r\n${body}${behind}`);
  const answer = await closed;
  expect(answer).toMatch(/^HTTP\/1\.1 4(00|13) /);
  expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  expect(purchase.seen).toEqual([]);
  expect(await send(...plain)).toMatch(/^HTTP\/1\.1 202 /);
});

test('extensions of chunks are read over', async () => {
  expect(await send('Transfer-Encoding: chunked', chunked('e;a=b'))).toMatch(/^HTTP\/1\.1 202 /);
});
