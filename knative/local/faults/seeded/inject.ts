// Does to a process what a plan says, and undoes it.

import {
  etcdLeader,
  kafkaController,
  kafkaLeader,
  ofKind,
  redisMasterOf,
  redisReplicaOf,
} from '../../nodes/roles.ts';
import { type ProcessEntry, pidOf } from '../../state.ts';
import type { FaultTarget, Role } from './kinds.ts';
import type { PlannedFault } from './plan.ts';
import type { FaultSystem } from './system.ts';

export interface Injected {
  /** The process that it was done to. */
  readonly name: string;
  /** Ends the fault; the process may need a while until it is well again. Called once. */
  readonly heal: () => Promise<void>;
}

/** Rejects where nobody can be found who has the role: then nothing was done. */
export async function inject(
  system: FaultSystem,
  { kind, target }: Pick<PlannedFault, 'kind' | 'target'>,
): Promise<Injected> {
  const entry = await processOf(system, target);
  const { name } = entry;
  switch (kind) {
    case 'kill':
      signal(entry, 'SIGKILL');
      return { name, heal: () => Promise.resolve() };
    case 'away':
      system.runtime.takeDown(name);
      return {
        name,
        heal() {
          system.runtime.bringUp(name);
          return Promise.resolve();
        },
      };
    case 'freeze':
      signal(entry, 'SIGSTOP');
      return {
        name,
        heal() {
          signal(entry, 'SIGCONT');
          return Promise.resolve();
        },
      };
  }
}

/** To the process that has this name now; to none while it is away. */
function signal(entry: ProcessEntry, how: NodeJS.Signals): void {
  const pid = pidOf(entry);
  if (pid !== undefined) process.kill(pid, how);
}

async function processOf(system: FaultSystem, target: FaultTarget): Promise<ProcessEntry> {
  const { processes } = system.runtime;
  if ('role' in target) return byRole(system, target.role);
  const found = ofKind(processes, target.kind).find(({ index }) => index === target.index);
  if (found === undefined) throw new Error(`there is no ${target.kind}-${target.index}`);
  return found;
}

function byRole({ runtime: { processes }, productId }: FaultSystem, role: Role) {
  switch (role) {
    case 'etcd leader':
      return etcdLeader(processes);
    case 'Kafka controller':
      return kafkaController(processes);
    case 'Kafka leader':
      return kafkaLeader(processes);
    case 'Redis master of the sale':
      return redisMasterOf(processes, productId());
    case 'Redis replica of the sale':
      return redisReplicaOf(processes, productId());
  }
}
