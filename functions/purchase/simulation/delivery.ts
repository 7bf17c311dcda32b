// The KafkaSource in front of persist-order: each record at least once, in any order, late, again after
// an answer that was lost, and to the dead letters when its retries are used up.

import type { PersistInstance } from './instances.ts';
import type { SimulatedKafka } from './kafka.ts';
import type { TopicRecord } from './kafka-brokers.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface DeliveryProfile {
  /** A record that takes seconds to come. */
  readonly slow: number;
  /** A record that is delivered once more though it was done. */
  readonly repeated: number;
  readonly answerLost: number;
  /** Retries before a record goes to the dead letters. */
  readonly retriesMax: number;
}

export interface Delivery {
  /** Records that no sink has said it is done with. */
  undone(): number;
  /** Events a sink refused for good: there should be none. */
  readonly refused: readonly TopicRecord[];
  /** From here on everything is delivered soon, the dead letters too. */
  calmDown(): void;
}

interface Options {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly kafka: SimulatedKafka;
  readonly profile: DeliveryProfile;
  readonly choose: () => PersistInstance | undefined;
}

/** The `timeout` of the source. */
const answerTimeoutMs = 15_000;

type Status = 'done' | 'never' | 'again';

export function createDelivery({ time, random, kafka, profile, choose }: Options): Delivery {
  const undone = new Set<TopicRecord>();
  const refused: TopicRecord[] = [];
  const deadLetters: TopicRecord[] = [];
  let isCalm = false;

  function deliver(record: TopicRecord, retries: number): void {
    const isSlow = !isCalm && random.chance(profile.slow);
    time.after(isSlow ? random.between(100, 30_000) : random.between(1, 50), () => {
      void attempt(record).then((status) => {
        settle(record, retries, status);
      });
    });
  }

  function settle(record: TopicRecord, retries: number, status: Status): void {
    switch (status) {
      case 'done':
        undone.delete(record);
        if (!isCalm && random.chance(profile.repeated)) deliver(record, 0);
        return;
      case 'never':
        refused.push(record);
        undone.delete(record);
        return;
      case 'again':
        if (!isCalm && retries >= profile.retriesMax) {
          time.note(`${record.headers['ce_id']} goes to the dead letters`);
          deadLetters.push(record);
          kafka.bury(record);
        } else {
          time.after(500, () => {
            deliver(record, retries + 1);
          });
        }
    }
  }

  /** One request to a sink, and what its answer says, if it comes. */
  function attempt(record: TopicRecord): Promise<Status> {
    const sink = choose();
    if (sink === undefined) return Promise.resolve('again');
    return deliverTo(sink, record, time, !isCalm && random.chance(profile.answerLost));
  }

  kafka.onAppend = (record) => {
    undone.add(record);
    deliver(record, 0);
  };
  return {
    undone: () => undone.size,
    refused,
    calmDown() {
      isCalm = true;
      for (const record of deadLetters.splice(0)) deliver(record, 0);
    },
  };
}

function deliverTo(
  sink: PersistInstance,
  record: TopicRecord,
  time: VirtualTime,
  isAnswerLost: boolean,
): Promise<Status> {
  return new Promise((resolve) => {
    const answer = (status: Status, delayMs: number) => {
      time.after(delayMs, () => {
        resolve(status);
      });
    };
    answer('again', answerTimeoutMs);
    const arrive = () => {
      sink.deliver(record).then(
        (status) => {
          time.note(`${sink.process.name} is ${status} with ${record.headers['ce_id']}`);
          answer(isAnswerLost ? 'again' : status, 1);
        },
        () => {
          answer('again', 1);
        },
      );
    };
    time.after(1, arrive, sink.process, 'answer');
  });
}
