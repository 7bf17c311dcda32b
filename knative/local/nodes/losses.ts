// What is lost, one after the other: of each store the member that is missed most, and one that is
// missed less; an instance of each function; a source runner.

import type { ProcessEntry } from '../state.ts';
import type { Kind } from '../topology.ts';
import { interruptedMaxMs, type Loss } from './lose.ts';
import { etcdLeader, kafkaController, kafkaLeader, ofKind, redisMasterOf } from './roles.ts';

/** Whether the loss of that name is asked for. */
export type Meant = (what: string) => boolean;

/** So long that it cannot be its coming back that ends an interruption in time. */
const storeAwayMs = interruptedMaxMs + 1_000;

export function allLosses(processes: readonly ProcessEntry[], productId: string): Loss[] {
  const other = async (kind: Kind, than: Promise<ProcessEntry>) => {
    const { name } = await than;
    return theOne(ofKind(processes, kind).find((one) => one.name !== name));
  };
  const first = (kind: Kind) => () => theOne(ofKind(processes, kind)[0]);
  const master = () => redisMasterOf(processes, productId);
  const leader = () => etcdLeader(processes);
  return [
    { what: 'purchase', who: first('purchase'), awayMs: 0 },
    { what: 'edge', who: first('ratelimit-edge'), awayMs: 0 },
    { what: 'persist-order', who: first('persist-order'), awayMs: 0 },
    { what: 'update-rank', who: first('update-rank'), awayMs: 0 },
    { what: 'source runner', who: first('source-runner'), awayMs: 0 },
    { what: 'MySQL', who: first('mysql'), awayMs: 0 },
    { what: 'etcd: the leader', who: leader, awayMs: storeAwayMs },
    { what: 'etcd: another member', who: () => other('etcd', leader()), awayMs: storeAwayMs },
    { what: 'Redis: the master of the sale', who: master, awayMs: storeAwayMs },
    { what: 'Redis: that master, back at once', who: master, awayMs: 0 },
    { what: 'Redis: another node', who: () => other('redis', master()), awayMs: storeAwayMs },
    {
      what: 'Kafka: the controller',
      who: () => kafkaController(processes),
      awayMs: storeAwayMs,
    },
    { what: 'Kafka: another leader', who: () => kafkaLeader(processes), awayMs: storeAwayMs },
    { what: 'Kafka: a leader, back at once', who: () => kafkaLeader(processes), awayMs: 0 },
  ];
}

function theOne(found: ProcessEntry | undefined): ProcessEntry {
  if (found === undefined) throw new Error('there is nobody to be lost');
  return found;
}
