// What an operator does to a sale of these tests, with patience: a change that got no answer is
// made again under its own operation id.

import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import type { Row } from '#knative/e2e/judge.ts';
import type { Verdict } from '#lib/checker/facts.ts';
import { tokenOf } from './crowd.ts';
import type { Reachable } from './fleet.ts';

type Body = Record<string, unknown>;

const patienceMs = 60_000;
const betweenTriesMs = 200;

export interface Operator {
  /** Creates a sale and opens it. */
  open(productId: string, stock: number): Promise<void>;
  change(productId: string, action: 'open' | 'pause' | 'restock', body?: object): Promise<void>;
  cancel(orderId: string): Promise<void>;
  /** Closes the sale until it is settled. */
  settle(productId: string): Promise<void>;
  verify(productId: string): Promise<Verdict>;
}

export function createOperator(fleet: Reachable): Operator {
  async function once(method: string, path: string, operationId: string, body?: object) {
    const response = await fetch(fleet.url + path, {
      method,
      headers: {
        authorization: `Bearer ${tokenOf(fleet, 'operator', true)}`,
        'operation-id': operationId,
        'content-type': 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(patienceMs),
    });
    const text = await response.text();
    if (response.ok) return JSON.parse(text) as Body;
    if (response.status < 500) throw new Refused(`${method} ${path}: ${response.status} ${text}`);
    throw new Error(`${method} ${path}: ${response.status} ${text}`);
  }

  async function ask(method: string, path: string, body?: object): Promise<Body> {
    const operationId = randomUUID();
    const deadline = performance.now() + patienceMs;
    for (;;) {
      try {
        return await once(method, path, operationId, body);
      } catch (error) {
        if (error instanceof Refused || performance.now() > deadline) throw error;
        await setTimeout(betweenTriesMs);
      }
    }
  }

  const change: Operator['change'] = async (productId, action, body) => {
    await ask('POST', `/operator/sales/${productId}/${action}`, body);
  };

  return {
    async open(productId, stock) {
      const sale = { productId, name: productId, stock, unitPrice: 1_999, limitPerUser: 1 };
      await ask('POST', '/operator/sales', sale);
      await change(productId, 'open');
    },
    change,
    async cancel(orderId) {
      await ask('POST', `/operator/orders/${orderId}/cancel`, { reason: 'not paid' });
    },
    async settle(productId) {
      const deadline = performance.now() + patienceMs;
      for (;;) {
        const { settled } = await ask('POST', `/operator/sales/${productId}/close`);
        if (settled === true) return;
        if (performance.now() > deadline) {
          const verdict = await this.verify(productId);
          throw new Error(`the sale does not settle: ${JSON.stringify(verdict)}`);
        }
        await setTimeout(betweenTriesMs);
      }
    },
    async verify(productId) {
      const deadline = performance.now() + patienceMs;
      for (;;) {
        const answer = await ask('GET', `/operator/sales/${productId}/verify`);
        const verdict = answer as unknown as Verdict;
        if (!verdict.settling || performance.now() > deadline) return verdict;
        await setTimeout(betweenTriesMs);
      }
    },
  };
}

class Refused extends Error {
  override readonly name = 'Refused';
}

/** What MySQL holds of a sale, read by a connection of our own. */
export async function rowsOf(
  fleet: Reachable,
  productId: string,
): Promise<{
  readonly rows: readonly Row[];
  readonly orderIds: string[];
  readonly units: number[];
}> {
  const connection = await createConnection({ uri: String(fleet.env.SECKILL_MYSQL_URL) });
  try {
    const [orders] = await connection.query(
      `select order_id as orderId, user_id as userId, quantity, status
       from orders where product_id = ?`,
      [productId],
    );
    const [units] = await connection.query('select unit from order_units where product_id = ?', [
      productId,
    ]);
    const rows = orders as Row[];
    return {
      rows,
      orderIds: rows.map(({ orderId }) => orderId).sort(),
      units: (units as { unit: number }[]).map((row) => row.unit),
    };
  } finally {
    await connection.end();
  }
}
