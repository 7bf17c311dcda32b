// etcd, of one member or several. It forgets old revisions by itself: locks change hands many times
// a second. What it is told is what its pods are (knative/stores/etcd).

import { mkdir } from 'node:fs/promises';
import { findProgram } from './programs.ts';
import { checkTimeoutMs, type Store, type StoreSite } from './store.ts';

const local = (port: number) => `http://127.0.0.1:${port}`;

export const etcd: Store = {
  name: 'etcd',
  variable: 'SECKILL_ETCD_ENDPOINTS',
  programs: [{ program: 'etcd', debianPackage: 'etcd-server' }],

  async prepare({ folder }) {
    await mkdir(folder, { recursive: true });
  },

  command(site) {
    const args = Object.entries(memberOptions(site)).map(([name, value]) => `--${name}=${value}`);
    const { syncs = true } = site;
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

/** What a member is told, by the names of its flags. */
export function memberOptions(site: StoreSite): Record<string, string> {
  const { name, folder, port, peerPort, members } = site;
  return {
    name,
    'data-dir': `${folder}/data`,
    'listen-client-urls': local(port),
    'advertise-client-urls': local(port),
    'listen-peer-urls': local(peerPort),
    'initial-advertise-peer-urls': local(peerPort),
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
}
