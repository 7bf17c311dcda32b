// For the tests of the lock: managers and holder processes on an etcd of the test's own, all of
// them ended after each test.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { connectEtcd } from '#lib/etcd/connect.ts';
import type { EtcdClient, KeyValue } from '#lib/etcd/etcd.ts';
import { type OwnEtcd, startOwnEtcd } from '#lib/etcd/own-etcd.ts';
import { queuePrefix } from './keys.ts';
import type { LockEvent, LockManager, LockManagerOptions } from './lock.ts';
import { createLockManager } from './lock-manager.ts';
import type { HolderAnswer, HolderRequest } from './test-holder.ts';

let names = 0;

/** Different each time: for products and instances. */
export function uniqueId(prefix: string): string {
  names += 1;
  return `${prefix}-${names}`;
}

/** The least etcd grants: where a test waits until a lease has expired. */
export const ttlMs = 2_000;

export interface Bench {
  readonly server: OwnEtcd;
  readonly etcd: EtcdClient;
  /** A directory of its own for each name. */
  directory(name: string): string;
  manager(name: string, options?: Partial<LockManagerOptions>): TestManager;
  holder(name: string, productId: string): Promise<Holder>;
  client(): EtcdClient;
  /** The places in a product's queue, oldest first. */
  queue(productId: string): Promise<readonly KeyValue[]>;
  /** Ends all managers and processes. */
  clear(): Promise<void>;
  remove(): Promise<void>;
}

export interface TestManager extends LockManager {
  readonly events: LockEvent[];
}

/** A process of its own that holds locks, and may be frozen and killed. */
export interface Holder {
  readonly pid: number;
  ask<Request extends HolderRequest>(request: Request): Promise<HolderAnswer[Request]>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export async function startBench(): Promise<Bench> {
  const server = await startOwnEtcd();
  const clients: EtcdClient[] = [];
  const managers: LockManager[] = [];
  const holders: Holder[] = [];
  const client = () => {
    const made = connectEtcd({ endpoints: [server.endpoint] });
    clients.push(made);
    return made;
  };
  const etcd = client();
  const directory = (name: string) => join(server.folder, 'instances', name);
  const clear = async () => {
    await Promise.all(holders.splice(0).map((holder) => holder.kill()));
    await Promise.all(managers.splice(0).map((manager) => manager.stop()));
  };
  return {
    server,
    etcd,
    directory,
    client,
    clear,
    async queue(productId) {
      const list = queuePrefix(productId);
      const then = [{ list, order: 'oldest', limit: 1_000 }] as const;
      return (await etcd.transact({ when: [], then })).reads[0] ?? [];
    },
    manager(name, options = {}) {
      const events: LockEvent[] = [];
      const onEvent = (event: LockEvent) => events.push(event);
      const base = { etcd, directory: directory(name), ttlMs, onEvent };
      const manager = createLockManager({ ...base, ...options });
      managers.push(manager);
      return Object.assign(manager, { events });
    },
    async holder(name, productId) {
      const args = [server.endpoint, directory(name), String(ttlMs), productId];
      const holder = await startHolder(args);
      holders.push(holder);
      return holder;
    },
    async remove() {
      await clear();
      for (const made of clients) made.close();
      await server.remove();
    },
  };
}

async function startHolder(args: string[]): Promise<Holder> {
  const child = fork(join(import.meta.dirname, 'test-holder.ts'), args, { stdio: 'inherit' });
  const exited = once(child, 'exit');
  await nextMessage(child);
  return {
    pid: child.pid ?? 0,
    async ask(request) {
      child.send(request);
      return (await nextMessage(child)) as HolderAnswer[typeof request];
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function nextMessage(child: ChildProcess): Promise<unknown> {
  const [message] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error('the holder has ended'))),
  ])) as [unknown];
  return message;
}
