// Whether what is published is delivered: a group may have its member, and nobody take its events.

import { setTimeout as pause } from 'node:timers/promises';
import { type Check, checksOf } from '#lib/diagnosis.ts';
import type { KafkaAccess } from '#lib/kafka/access.ts';
import { lagOf, type Progress, readProgress } from '#lib/kafka/read-progress.ts';

const say = checksOf('Kafka');
/** Under load a group commits several times in it. */
const stillMs = 3_000;

/** Looks twice where events wait. Throws KafkaUnavailable. */
export async function checkDeliveries(
  kafka: KafkaAccess,
  topic: string,
  groups: readonly string[],
): Promise<Check> {
  const before = await readProgress(kafka, topic, groups);
  const behind = groups.filter((group) => lagOf(group, before, before.ends) > 0);
  if (behind.length === 0) return say.ok('deliveries', 'no event waits');
  await pause(stillMs);
  const after = await readProgress(kafka, topic, behind);
  const stuck = behind.filter((group) => committedBy(group, after) === committedBy(group, before));
  if (stuck.length === 0) return say.ok('deliveries', 'the events that wait are being taken');
  const waiting = stuck.map((group) => `${lagOf(group, after, after.ends)} for ${group}`);
  return say.wrong('deliveries', {
    found: `events wait, and none was taken in ${stillMs / 1_000} s: ${waiting.join(', ')}`,
    why: 'accepted orders do not become rows, or are not on the leaderboards',
    todo:
      'see why the sink does not take them (its pods and their log), and the log of the ' +
      'KafkaSource’s dispatcher or the source runner; starting that again loses nothing',
  });
}

function committedBy(group: string, { committed }: Progress): number {
  const offsets = [...(committed.get(group)?.values() ?? [])];
  return offsets.reduce((sum, offset) => sum + Math.max(0, offset), 0);
}
