// What operators have decided about dead letters, in MySQL: Kafka cannot forget a single record.
// A decision counts for the record that it was made about: one that lies at the same place in a
// topic that was made anew has another time, and is another letter.

import { and, between, desc, eq, ne, or } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { deadLetterDecisions as decisions, operations } from '#lib/mysql/schema.ts';
import { isoTimeOf } from '#lib/order-event.ts';
import type { Operation, Transaction } from '../operate/operation.ts';

export type DecisionRow = typeof decisions.$inferSelect;

/** What of a record names the letter. */
export interface LetterKey {
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
}

/** A decision as it is told. */
export interface Decision {
  readonly action: DecisionRow['action'];
  readonly operator: string;
  readonly operationId: string;
  readonly at: string;
}

export function decisionOf({ action, operator, operationId, at }: DecisionRow): Decision {
  return { action, operator, operationId, at: isoTimeOf(at) };
}

/** The decision about each of these records of a topic, where there is one. */
export async function readDecisions<Record extends LetterKey>(
  db: Pick<Transaction, 'select'>,
  topic: string,
  records: readonly Record[],
): Promise<ReadonlyMap<Record, DecisionRow>> {
  if (records.length === 0) return new Map();
  const ranges = [...Map.groupBy(records, ({ partition }) => partition)].map(
    ([partition, some]) => {
      const offsets = some.map(({ offset }) => offset);
      return and(
        eq(decisions.partition, partition),
        between(decisions.offset, Math.min(...offsets), Math.max(...offsets)),
      );
    },
  );
  const rows = await db
    .select()
    .from(decisions)
    .where(and(eq(decisions.topic, topic), or(...ranges)));
  const byPlace = new Map(rows.map((row) => [`${row.partition}/${row.offset}`, row]));
  return new Map(
    records.flatMap((record) => {
      const row = byPlace.get(`${record.partition}/${record.offset}`);
      return row?.diedMs === record.timestampMs ? [[record, row] as const] : [];
    }),
  );
}

/** Writes decisions; one that another operator made of the same letter meanwhile stands. */
export async function writeDecisions(
  transaction: Transaction,
  rows: readonly DecisionRow[],
  replaces: boolean,
): Promise<void> {
  for (const row of rows) {
    const ofPlace = and(
      eq(decisions.topic, row.topic),
      eq(decisions.partition, row.partition),
      eq(decisions.offset, row.offset),
    );
    const another = replaces ? ofPlace : and(ofPlace, ne(decisions.diedMs, row.diedMs));
    const [old] = await transaction.select().from(decisions).where(another);
    if (old) await transaction.delete(decisions).where(ofPlace);
    await transaction
      .insert(decisions)
      .values(row)
      .onDuplicateKeyUpdate({ set: { topic: row.topic } });
  }
}

/** The decisions that were made under this operation id. */
export async function decidedBy({ db }: MysqlClient, operationId: string): Promise<DecisionRow[]> {
  return db.select().from(decisions).where(eq(decisions.operationId, operationId));
}

/** The first line that an operation left in the audit log. */
export async function readOperation(
  db: Pick<Transaction, 'select'>,
  { operationId }: Pick<Operation, 'operationId'>,
) {
  const [line] = await db.select().from(operations).where(eq(operations.operationId, operationId));
  return line;
}

/**
 * The batches of a product that an operator has said never to: their orders are not waited for
 * and not sent again. Of several decisions about a batch the last one counts.
 */
export async function droppedBatches(
  { db }: MysqlClient,
  productId: string,
  topic: string,
): Promise<ReadonlySet<string>> {
  const rows = await db
    .select({ batchId: decisions.batchId, action: decisions.action })
    .from(decisions)
    .where(and(eq(decisions.productId, productId), eq(decisions.topic, topic)))
    .orderBy(desc(decisions.at));
  const last = new Map<string, DecisionRow['action']>();
  for (const { batchId, action } of rows) {
    if (batchId !== null && !last.has(batchId)) last.set(batchId, action);
  }
  return new Set([...last].filter(([, action]) => action === 'dropped').map(([id]) => id));
}
