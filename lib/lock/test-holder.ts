// A process that holds a lock when it is told to, for tests that freeze or kill it:
// node test-holder.ts <etcd endpoint> <directory> <ttl in milliseconds> <product>

import { connectEtcd } from '#lib/etcd/connect.ts';
import type { HeldLock, LossReason, Token } from './lock.ts';
import { createLockManager } from './lock-manager.ts';

/** What each request is answered with. */
export interface HolderAnswer {
  acquire: Token;
  isHeld: boolean;
  confirm: boolean;
  release: null;
  losses: LossReason[];
  stop: null;
}
export type HolderRequest = keyof HolderAnswer;

const [endpoint = '', directory = '', ttlMs = '', product = ''] = process.argv.slice(2);
const losses: LossReason[] = [];
const manager = createLockManager({
  etcd: connectEtcd({ endpoints: [endpoint] }),
  directory,
  ttlMs: Number(ttlMs),
  onEvent: (event) => {
    if (event.type === 'lease-lost') losses.push(event.reason);
  },
});
let held: HeldLock | undefined;

const answers: {
  [Request in HolderRequest]: () => HolderAnswer[Request] | Promise<HolderAnswer[Request]>;
} = {
  acquire: async () => {
    held = await manager.acquire(product);
    return held.token;
  },
  isHeld: () => held?.isHeld() ?? false,
  confirm: async () => (await held?.confirm()) ?? false,
  release: async () => {
    await held?.release();
    return null;
  },
  losses: () => losses,
  stop: async () => {
    await manager.stop();
    return null;
  },
};

await manager.start();
process.on('message', (request: HolderRequest) => {
  void Promise.resolve(answers[request]()).then((answer) => process.send?.(answer));
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
