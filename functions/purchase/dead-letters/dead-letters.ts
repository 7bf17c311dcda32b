// What operators do about dead letters: look, replay, drop, and see what a replay came to.

import type { KafkaAccess } from '#lib/kafka/access.ts';
import { connectProducer } from '#lib/kafka/producer.ts';
import { readProgress } from '#lib/kafka/read-progress.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { consumerGroups, deadLetterTopics, ordersTopic } from '#lib/names.ts';
import type { Operation } from '../operate/operation.ts';
import { type Decided, dropLetters, replayLetters } from './decide-letters.ts';
import type { LetterPlace } from './letter.ts';
import { type LettersAsked, type LettersPage, listLetters } from './list-letters.ts';
import {
  type ProgressDependencies,
  type ReplayProgress,
  replayProgress,
} from './replay-progress.ts';

/** Each throws KafkaUnavailable, and what MySQL throws. */
export interface DeadLetters {
  list(asked: LettersAsked): Promise<LettersPage>;
  /** Throws UnknownLetter, Conflict. */
  replay(
    places: readonly LetterPlace[],
    operation: Operation,
    force: boolean,
  ): Promise<readonly Decided[]>;
  /** Throws UnknownLetter, Conflict. */
  drop(places: readonly LetterPlace[], operation: Operation): Promise<readonly Decided[]>;
  /** Undefined where there was no such replay. */
  progress(operationId: string): Promise<ReplayProgress | undefined>;
}

interface Dependencies {
  readonly kafka: KafkaAccess;
  readonly mysql: MysqlClient;
  readonly signingKeys: readonly string[];
}

/** Topics and groups; a test has its own. */
export type LetterNames = Pick<ProgressDependencies, 'topics' | 'ordersTopic' | 'groups'>;

const realNames: LetterNames = { topics: deadLetterTopics, ordersTopic, groups: consumerGroups };

export function createDeadLetters(
  { kafka, mysql, signingKeys }: Dependencies,
  names = realNames,
): DeadLetters {
  const dependencies = {
    ...{ kafka, mysql, signingKeys, ...names },
    connect: () => connectProducer(kafka),
    readProgress: () => readProgress(kafka, names.ordersTopic, Object.values(names.groups)),
  };
  return {
    list: (asked) => listLetters(dependencies, asked),
    replay: (places, operation, force) => replayLetters(dependencies, places, operation, force),
    drop: (places, operation) => dropLetters(dependencies, places, operation),
    progress: (operationId) => replayProgress(dependencies, operationId),
  };
}
