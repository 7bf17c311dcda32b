import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { countNetworkBytes, parseNetworkBytes } from './network.ts';

const shown = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo: 72160434174 90612577    0 6540    0     0          0         0 72160434174 90612577    0
  eth0:    1000      10    0    0    0     0          0         0     70        7    0    0    0
  eth1:5           1    0    0    0     0          0         0        6        1    0    0    0
`;

test('every interface counts but loopback', () => {
  expect(parseNetworkBytes(shown)).toEqual({ received: 1_005, sent: 76 });
});

test('each scrape says what the kernel says, and no sum of it', async () => {
  const registry = new Registry();
  let received = 10;
  countNetworkBytes(registry, () => ({ received, sent: 20 }));
  await registry.metrics();
  received = 15;
  const text = await registry.metrics();
  expect(text).toMatch(/^seckill_network_receive_bytes_total 15$/m);
  expect(text).toMatch(/^seckill_network_transmit_bytes_total 20$/m);
});

test('where the system does not tell there is no counter rather than a zero', async () => {
  const registry = new Registry();
  countNetworkBytes(registry, () => undefined);
  expect(await registry.metrics()).not.toContain('seckill_network');
});
