import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { choosePort, isFree } from './ports.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const occupy = (port: number) =>
  new Promise<void>((resolve, reject) => {
    const server = createServer();
    servers.push(server);
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });

test('the preferred port is kept while it is free', async () => {
  const port = await choosePort();
  expect(await choosePort(port)).toBe(port);
});

test('another is chosen when the preferred one is taken', async () => {
  const port = await choosePort();
  await occupy(port);
  expect(await isFree(port)).toBe(false);
  const other = await choosePort(port);
  expect(other).not.toBe(port);
  await occupy(other);
});
