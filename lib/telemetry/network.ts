// How many bytes this instance has received and sent, by the kernel's own count: a pod has a
// network of its own, so there it is the pod's traffic (the queue-proxy's share included, what the
// two say to each other on loopback not). Without one, on a developer's machine, it is the
// machine's.

import { readFileSync } from 'node:fs';
import { Counter, type Registry } from 'prom-client';

export interface NetworkBytes {
  readonly received: number;
  readonly sent: number;
}

/** Registers both counters; where the system does not tell (it is not Linux) there are none. */
export function countNetworkBytes(registry: Registry, read = readNetworkBytes): void {
  if (read() === undefined) return;
  const follow = (name: string, help: string, valueOf: (bytes: NetworkBytes) => number) => {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        const bytes = read();
        if (bytes === undefined) return;
        this.reset();
        this.inc(valueOf(bytes));
      },
    });
  };
  const source = 'by the kernel (/proc/self/net/dev), loopback left out.';
  follow('seckill_network_receive_bytes_total', `Bytes received, ${source}`, (b) => b.received);
  follow('seckill_network_transmit_bytes_total', `Bytes sent, ${source}`, (b) => b.sent);
}

function readNetworkBytes(): NetworkBytes | undefined {
  try {
    return parseNetworkBytes(readFileSync('/proc/self/net/dev', 'utf8'));
  } catch {
    return undefined;
  }
}

/** Sums up every interface but loopback, as `/proc/net/dev` shows them. */
export function parseNetworkBytes(text: string): NetworkBytes {
  let [received, sent] = [0, 0];
  for (const line of text.split('\n')) {
    const [, name, columns = ''] = /^\s*([^:\s]+):\s*(.+)$/.exec(line) ?? [];
    if (name === undefined || name === 'lo') continue;
    const numbers = columns.trim().split(/\s+/).map(Number);
    received += numbers[0] ?? 0;
    sent += numbers[8] ?? 0;
  }
  return { received, sent };
}
