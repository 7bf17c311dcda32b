// How far the sources are, as Kafka and the source runners say.

import type { KafkaAccess } from '#lib/kafka/access.ts';
import { lagOf, readProgress } from '#lib/kafka/read-progress.ts';
import { markTopics } from '#lib/kafka/topic-marks.ts';
import { consumerGroups, deadLetterTopics, ordersTopic } from '#lib/names.ts';
import type { SourceReport } from '../source-runner/app.ts';

/** Whether both groups have committed everything that the topic holds. */
export async function isAllCommitted(kafka: KafkaAccess): Promise<boolean> {
  const groups = Object.values(consumerGroups);
  const progress = await readProgress(kafka, ordersTopic, groups);
  return groups.every((group) => lagOf(group, progress, progress.ends) === 0);
}

/** How many events are in the dead-letter topics. */
export async function countDeadLetters(kafka: KafkaAccess): Promise<number> {
  const { ends } = await markTopics(kafka, Object.values(deadLetterTopics));
  return Object.values(ends)
    .flatMap((partitions) => Object.values(partitions))
    .reduce((sum, end) => sum + end, 0);
}

const answerMs = 1_000;

/** What a source runner says of its sources; undefined where it does not answer. */
export async function sourcesOf(url: string): Promise<readonly SourceReport[] | undefined> {
  try {
    const response = await fetch(`${url}/sources`, { signal: AbortSignal.timeout(answerMs) });
    return (await response.json()) as readonly SourceReport[];
  } catch {
    return undefined;
  }
}
