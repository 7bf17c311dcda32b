// The audit log as operators read it: who changed what of a sale, when, and under which id.

import { desc, eq } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { operations } from '#lib/mysql/schema.ts';
import { isoTimeOf } from '#lib/order-event.ts';

export interface AuditLine {
  readonly operationId: string;
  readonly operator: string;
  readonly action: string;
  readonly at: string;
  /** What it came to, as absolute values; times are ISO 8601. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** The last `limit` changes of a product, the newest last. */
export async function readAuditLog(
  { db }: MysqlClient,
  productId: string,
  limit: number,
): Promise<AuditLine[]> {
  const rows = await db
    .select()
    .from(operations)
    .where(eq(operations.productId, productId))
    .orderBy(desc(operations.at), desc(operations.operationId))
    .limit(limit);
  return rows.reverse().map(({ operationId, operator, action, at, details }) => ({
    ...{ operationId, operator, action, at: isoTimeOf(at) },
    details: readable(details as Readonly<Record<string, unknown>>),
  }));
}

const timeDetails: ReadonlySet<string> = new Set(['opensAt', 'closesAt']);

function readable(details: AuditLine['details']): AuditLine['details'] {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [
      name,
      timeDetails.has(name) && typeof value === 'number' ? isoTimeOf(value) : value,
    ]),
  );
}
