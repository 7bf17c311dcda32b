// etcd, of one member or several. It forgets old revisions by itself: locks change hands many times
// a second. What it is told is what its pods are (knative/stores/etcd).

import { mkdir } from 'node:fs/promises';
import { findProgram } from './programs.ts';
import { checkTimeoutMs, type Store } from './store.ts';

const local = (port: number) => `http://127.0.0.1:${port}`;

export const etcd: Store = {
  name: 'etcd',
  variable: 'SECKILL_ETCD_ENDPOINTS',
  programs: [{ program: 'etcd', debianPackage: 'etcd-server' }],

  async prepare({ folder }) {
    await mkdir(folder, { recursive: true });
  },

  command({ name, folder, port, peerPort, members, syncs = true }) {
    const [clientUrl, peerUrl] = [local(port), local(peerPort)];
    const options = {
      name,
      'data-dir': `${folder}/data`,
      'listen-client-urls': clientUrl,
      'advertise-client-urls': clientUrl,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'initial-cluster': members.map((one) => `${one.name}=${local(one.peerPort)}`).join(','),
      'initial-cluster-state': 'new',
      'initial-cluster-token': 'seckill',
      'auto-compaction-mode': 'periodic',
      'auto-compaction-retention': '5m',
      'quota-backend-bytes': '2147483648',
      'heartbeat-interval': '100',
      'election-timeout': '1000',
      logger: 'zap',
      'log-level': 'warn',
    };
    const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    return { command: findProgram('etcd'), args: syncs ? args : [...args, '--unsafe-no-fsync'] };
  },

  address: ({ port }) => local(port),

  async check(address) {
    for (const endpoint of address.split(',')) {
      const response = await fetch(new URL('/health', endpoint.trim()), {
        signal: AbortSignal.timeout(checkTimeoutMs),
      });
      const { health } = (await response.json()) as { health?: unknown };
      if (health !== 'true') throw new Error(`etcd at ${endpoint} says it is not healthy`);
    }
  },
};
