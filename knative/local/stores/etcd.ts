// A single etcd. It forgets old revisions by itself: locks change hands many times a second.

import { mkdir } from 'node:fs/promises';
import { findProgram } from './programs.ts';
import { checkTimeoutMs, type Store } from './store.ts';

// A member that is alone talks to no peer: any port will do, and it may change.
const peerUrl = 'http://127.0.0.1:0';

export const etcd: Store = {
  name: 'etcd',
  variable: 'SECKILL_ETCD_ENDPOINTS',
  programs: [{ program: 'etcd', debianPackage: 'etcd-server' }],

  async prepare({ folder }) {
    await mkdir(folder, { recursive: true });
  },

  command({ folder, port, syncs = true }) {
    const clientUrl = `http://127.0.0.1:${port}`;
    const options = {
      name: 'local',
      'data-dir': `${folder}/data`,
      'listen-client-urls': clientUrl,
      'advertise-client-urls': clientUrl,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'initial-cluster': `local=${peerUrl}`,
      'auto-compaction-mode': 'periodic',
      'auto-compaction-retention': '5m',
      logger: 'zap',
      'log-level': 'warn',
    };
    const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    return { command: findProgram('etcd'), args: syncs ? args : [...args, '--unsafe-no-fsync'] };
  },

  address: ({ port }) => `http://127.0.0.1:${port}`,

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
