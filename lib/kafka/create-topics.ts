// New topics that may be used at once. kafkajs' own waiting gives up on a broker that has not heard
// of a topic yet, which a busy one takes its time for.

import { setTimeout as pause } from 'node:timers/promises';
import type { Admin, ITopicConfig } from 'kafkajs';
import { errorTypeOf } from './error-type.ts';

/** How long Kafka may take until every partition has a leader. */
const leadersTimeoutMs = 30_000;
const pollMs = 100;

/** What a broker says of a topic that is on its way. */
const onItsWay: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
]);

/** Resolves when every partition has a leader; a topic that exists already stays as it is. */
export async function createTopics(
  admin: Pick<Admin, 'createTopics' | 'fetchTopicMetadata'>,
  topics: readonly ITopicConfig[],
): Promise<void> {
  await admin.createTopics({ topics: [...topics], waitForLeaders: false });
  const names = topics.map(({ topic }) => topic);
  const deadline = performance.now() + leadersTimeoutMs;
  for (;;) {
    try {
      await admin.fetchTopicMetadata({ topics: names });
      return;
    } catch (error) {
      if (!onItsWay.has(errorTypeOf(error)) || performance.now() > deadline) throw error;
      await pause(pollMs);
    }
  }
}
