// Does to a process what a plan says, and undoes it.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  etcdLeader,
  kafkaController,
  kafkaLeader,
  ofKind,
  redisMasterOf,
  redisReplicaOf,
  replicationOffset,
} from '../../nodes/roles.ts';
import { type ProcessEntry, pidOf } from '../../state.ts';
import { type FaultTarget, type Role, stores } from './kinds.ts';
import { leadElsewhere } from './leaders.ts';
import type { Restore } from './network.ts';
import type { PlannedFault } from './plan.ts';
import type { FaultSystem } from './system.ts';

export interface Injected {
  /** The process that it was done to. */
  readonly name: string;
  /** Ends the fault; the process may need a while until it is well again. Called once. */
  readonly heal: () => Promise<void>;
}

/** For so long the replica hears nothing before its master is killed. */
const unheardMs = 2_000;

/** Rejects where nobody can be found who has the role: then nothing was done. */
export async function inject(
  system: FaultSystem,
  fault: Pick<PlannedFault, 'kind' | 'target' | 'amount'>,
): Promise<Injected> {
  const entry = await processOf(system, fault.target);
  return { name: entry.name, heal: await doTo(system, entry, fault) };
}

async function doTo(
  system: FaultSystem,
  entry: ProcessEntry,
  { kind, amount }: Pick<PlannedFault, 'kind' | 'amount'>,
): Promise<Restore> {
  const { runtime, peerOf } = system;
  switch (kind) {
    case 'kill':
      return signal(entry, 'SIGKILL');
    case 'end':
      return signal(entry, 'SIGTERM');
    case 'freeze':
      return signal(entry, 'SIGSTOP', 'SIGCONT');
    case 'away':
      return takeAway(system, entry);
    case 'cut':
      return networkOf(system).cut(peerOf(entry));
    case 'slow':
      return networkOf(system).slow(peerOf(entry), amount);
    case 'unanswered':
      return loseAnswersOf(system, entry);
    case 'old-replica':
      return replaceByOldReplica(system, entry);
    case 'move-leaders':
      return leadElsewhere(runtime.processes, entry);
    case 'full-disk':
      if (system.disks === undefined) throw new Error('there are no disks of our own');
      return system.disks.fill(entry.name);
    case 'clock-back':
      return setClock(entry, -amount);
    case 'clock-ahead':
      return setClock(entry, amount);
  }
}

/** To the process that has this name now, and to that one again; to none while it is away. */
function signal(entry: ProcessEntry, how: NodeJS.Signals, undo?: NodeJS.Signals): Restore {
  const send = (what: NodeJS.Signals) => {
    const pid = pidOf(entry);
    if (pid !== undefined) process.kill(pid, what);
  };
  send(how);
  return () => {
    if (undo !== undefined) send(undo);
    return Promise.resolve();
  };
}

/** Two faults may want the same one to be away: it is, until both are over. */
function takeAway({ runtime }: FaultSystem, { name, folder }: ProcessEntry): Restore {
  runtime.takeDown(name);
  return () => {
    rmSync(join(folder, 'down'), { force: true });
    return Promise.resolve();
  };
}

function networkOf({ network }: FaultSystem) {
  if (network === undefined) throw new Error('there is no network of our own');
  return network;
}

/** A store's own members go on to hear it: what they have to agree on is agreed on, and done. */
function loseAnswersOf(system: FaultSystem, entry: ProcessEntry): Promise<Restore> {
  const { processes } = system.runtime;
  const isStore = stores.includes(entry.kind);
  const others = processes.filter(({ kind }) => kind !== entry.kind).map(system.peerOf);
  return networkOf(system).loseAnswers(system.peerOf(entry), isStore ? others : 'everybody');
}

/** What is sold meanwhile is sold by the master alone, and lost with it. */
async function replaceByOldReplica(system: FaultSystem, master: ProcessEntry): Promise<Restore> {
  const { processes } = system.runtime;
  const replica = await redisReplicaOf(processes, system.productId());
  const restore = await networkOf(system).part(system.peerOf(master), system.peerOf(replica));
  await pause(unheardMs);
  const [written, heard] = await Promise.all([master, replica].map(replicationOffset));
  if (!(Number(heard) < Number(written))) {
    await restore();
    throw new Error('nothing was written that the replica has not heard of');
  }
  const bringBack = takeAway(system, master);
  return async () => {
    await restore();
    await bringBack();
  };
}

function setClock({ folder }: ProcessEntry, offMs: number): Restore {
  const file = join(folder, 'clock');
  writeFileSync(file, String(offMs));
  return () => {
    rmSync(file, { force: true });
    return Promise.resolve();
  };
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
