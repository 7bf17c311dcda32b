// What the local runtime must know of a store to run one on this machine; each store says it in
// a module of its own, and `stores.ts` does the rest the same way for all.

import { choosePort } from '../ports.ts';
import type { RunningProcess } from '../process.ts';
import type { Say } from '../say.ts';
import type { Program } from './programs.ts';

export type StoreName = 'redis' | 'etcd' | 'kafka' | 'mysql';

export type StoreVariable =
  | 'SECKILL_REDIS_URL'
  | 'SECKILL_ETCD_ENDPOINTS'
  | 'SECKILL_KAFKA_BROKERS'
  | 'SECKILL_MYSQL_URL';

/** One process of a store of our own; several are one store. */
export interface Member {
  readonly name: string;
  /** Where clients reach it, on 127.0.0.1. */
  readonly port: number;
  /** Where the members reach each other. */
  readonly peerPort: number;
}

/** Where one of them lives. */
export interface StoreSite extends Member {
  /** All of the store, in their order, this one among them. */
  readonly members: readonly Member[];
  /** Its data, its log and its pid; nobody else writes there. */
  readonly folder: string;
  /** Of the user `seckill`, where the store has users. */
  readonly password: string;
  /**
   * False where processes are killed but the machine never is: etcd, whose calls have the shortest
   * deadlines, then does not wait for the disk, which may be busy for half a minute.
   */
  readonly syncs?: boolean;
}

export interface Store {
  readonly name: StoreName;
  /** The variable that tells the functions where it is; set by hand, that store is used. */
  readonly variable: StoreVariable;
  /** What must be on the machine to run it. */
  readonly programs: readonly Program[];
  /** What else it needs, for the message when it does not start. */
  readonly needs?: string;
  /** Makes ready whatever the first start needs; called before each start. */
  readonly prepare: (site: StoreSite, say: (text: string) => void) => Promise<void>;
  /** How to run it in the foreground. */
  readonly command: (site: StoreSite) => { command: string; args: string[] };
  /** The variable's value for one member; of several, one after the other with a comma between. */
  readonly address: (site: Member & Pick<StoreSite, 'password'>) => string;
  /** Resolves when the store at this address does its work; rejects with why it doesn't. */
  readonly check: (address: string) => Promise<void>;
  /** Makes one store of several members that all answer; does nothing where they are one. */
  readonly unite?: (addresses: readonly string[]) => Promise<void>;
}

/** The site of a store of one member. */
export async function soleSite(
  name: string,
  place: Omit<StoreSite, 'members' | 'name' | 'peerPort'>,
): Promise<StoreSite> {
  const member = { name, port: place.port, peerPort: await choosePort() };
  return { ...place, ...member, members: [member] };
}

/** What those that start stores of ours share. */
export interface OwnStores {
  readonly folder: string;
  readonly say: Say;
  /** Nothing that is stored outlives the run. */
  readonly throwaway: boolean;
  /** How long what a killed run left may take to end by itself. */
  readonly leftoverWaitMs?: number | undefined;
  /** Where a store's members live: chosen once. */
  readonly sitesOf: (store: Store) => Promise<readonly StoreSite[]>;
  /** Takes charge of a process; ends it at once where we are stopping already. */
  readonly keep: (name: string, started: RunningProcess) => Promise<void>;
  /** The group that a process of this name runs as; ours where it has none of its own. */
  readonly groupOf?: ((name: string) => number | undefined) | undefined;
}

/** How long a check waits for one answer. */
export const checkTimeoutMs = 2_000;
