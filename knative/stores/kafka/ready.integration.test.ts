// The broker's readiness: that it serves, and not only that its port is open.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { kafka } from '#knative/local/stores/kafka.ts';
import { startOwnStore } from '#lib/testing/own-store.ts';

/** As the kubelet runs it, in the pod of this name; 0 is ready. */
async function isReady(podName: string, port: string | number): Promise<boolean> {
  const script = join(import.meta.dirname, 'ready.sh');
  const env = { PATH: process.env['PATH'], POD_NAME: podName, PORT: String(port) };
  return promisify(execFile)('bash', [script], { env, timeout: 5_000 }).then(
    () => true,
    () => false,
  );
}

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

/** What a broker answers that knows of these brokers; the port. */
async function answering(brokers: readonly (readonly [id: number, rack: string | null])[]) {
  const text = (value: string | null) => {
    const length = Buffer.alloc(2);
    length.writeInt16BE(value === null ? -1 : Buffer.byteLength(value));
    return Buffer.concat([length, Buffer.from(value ?? '')]);
  };
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const body = Buffer.concat([
    ...[number(1), number(brokers.length)],
    ...brokers.flatMap(([id, rack]) => [
      ...[number(id), text(`kafka-${id}.kafka-brokers.seckill.svc.cluster.local`)],
      ...[number(9_092), text(rack)],
    ]),
    // The controller, and no topics.
    ...[number(0), number(0)],
  ]);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write(Buffer.concat([number(body.length), body])));
  });
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

test('a broker that serves is ready; one that is away, or answers nothing, is not', async () => {
  const store = await startOwnStore(kafka);
  try {
    const { port } = new URL(`kafka://${store.address}`);
    expect(await isReady('kafka-1', port)).toBe(true);
    expect(await isReady('kafka-2', port)).toBe(false);
    store.freeze();
    expect(await isReady('kafka-1', port)).toBe(false);
    store.thaw();
    await expect.poll(() => isReady('kafka-1', port), { timeout: 20_000 }).toBe(true);
    await store.stop();
    expect(await isReady('kafka-1', port)).toBe(false);
  } finally {
    await store.remove();
  }
}, 90_000);

test('a broker that the others count out is not ready, though its port is open', async () => {
  const others = await answering([
    [0, null],
    [1, 'a-rack'],
  ]);
  expect(await isReady('kafka-0', others)).toBe(true);
  expect(await isReady('kafka-1', others)).toBe(true);
  expect(await isReady('kafka-2', others)).toBe(false);
  const afterRack = await answering([
    [0, 'a-rack'],
    [2, 'a-rack'],
  ]);
  expect(await isReady('kafka-2', afterRack)).toBe(true);
  expect(await isReady('kafka-0', await answering([]))).toBe(false);
});
