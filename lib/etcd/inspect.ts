// What each member of etcd says of itself, for a check-up: a connection of its own to each, for a
// moment only.

import { Etcd3 } from 'etcd3';
import { materialOf } from '#lib/tls/live-tls.ts';
import type { EtcdAccess } from './access.ts';
import { toClientOptions } from './members.ts';

export interface EtcdMember {
  readonly endpoint: string;
  /** Why it could not be asked; then nothing else is told. */
  readonly away?: string;
  readonly version: string;
  readonly databaseBytes: number;
  readonly hasLeader: boolean;
  readonly revision: number;
  /** Whether revisions have ever been compacted; undefined where that could not be read. */
  readonly isCompacted: boolean | undefined;
  /** `NOSPACE`, `CORRUPT`. */
  readonly alarms: readonly string[];
}

/** A key of ours: whoever may only use those may ask for it. */
const anyKey = '/seckill/instances/';
const firstRevision = 2;

/** Asks every member. One that is away does not keep the others from being told of. */
export function inspectEtcd(access: EtcdAccess): Promise<EtcdMember[]> {
  return Promise.all(access.endpoints.map((endpoint) => inspect(endpoint, access)));
}

async function inspect(endpoint: string, access: EtcdAccess): Promise<EtcdMember> {
  const client = new Etcd3(toClientOptions(endpoint, access, materialOf(access.tls ?? {})));
  try {
    const { header, version, dbSize, leader } = await client.maintenance.status();
    const { alarms } = await client.maintenance.alarm({ action: 'Get' });
    return {
      endpoint,
      version,
      databaseBytes: Number(dbSize),
      hasLeader: leader !== '0',
      revision: Number(header.revision),
      isCompacted: await isCompacted(client),
      alarms: [...new Set(alarms.map(({ alarm }) => alarm.toUpperCase()))],
    };
  } catch (error) {
    const away = error instanceof Error ? error.message : String(error);
    const nothing = { version: '', databaseBytes: 0, hasLeader: false, revision: 0 };
    return { endpoint, away, ...nothing, isCompacted: undefined, alarms: [] };
  } finally {
    client.close();
  }
}

/** etcd does not tell how it compacts; its oldest revision tells whether it does. */
async function isCompacted(client: Etcd3): Promise<boolean | undefined> {
  try {
    const key = Buffer.from(anyKey);
    await client.kv.range({ key, revision: firstRevision, serializable: true });
    return false;
  } catch (error) {
    if (!(error instanceof Error)) return undefined;
    // Of an etcd that has written nothing yet.
    if (/future revision/.test(error.message)) return false;
    return /compacted/.test(error.message) ? true : undefined;
  }
}
