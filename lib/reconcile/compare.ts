// Facts about a sale → what differs. No store is asked; the cut (the snapshot) decides what is compared: what
// was accepted after it may already be in one store and not yet in another.

import { stockMax } from '#lib/constants.ts';
import { type UnitRange, unitsIn } from '#lib/order-event.ts';
import { type OrderRecord, parseRanges } from '#lib/sale/order-record.ts';
import type { Snapshot } from '#lib/sale/snapshot.ts';
import type { Figures, ProductRow, Row } from './facts.ts';
import type { DifferenceCode, Repair } from './report.ts';
import { eachInSteps, type OrderRecords } from './steps.ts';

/** A difference that is not repaired yet, and what it is about. */
export interface Finding {
  readonly code: DifferenceCode;
  readonly count: number;
  readonly found: string;
  readonly repair: Repair | null;
  readonly ids: readonly string[];
}

export function finding(
  code: DifferenceCode,
  repair: Repair | null,
  found: string,
  count = 1,
  ids: readonly string[] = [],
): Finding {
  return { code, repair, found, count, ids };
}

/** Compares a sale's fields in Redis with each other and with the product's row. */
export function compareFields({ fields }: Snapshot, product: ProductRow): Finding[] {
  const findings: Finding[] = [];
  const number = (name: string) => Number(fields.get(name));
  if (number('generation') !== product.generation) {
    const loaded = fields.get('generation') ?? 'none';
    const found = `Redis holds generation ${loaded}, MySQL ${product.generation}`;
    findings.push(finding('generation', 'rebuild', found));
  }
  const settings: readonly (readonly [string, string, Repair])[] = [
    ['name', product.name, 'rebuild'],
    ['unit_price', String(product.unitPrice), 'rebuild'],
    ['currency', product.currency, 'rebuild'],
    ['limit', String(product.limitPerUser), 'rebuild'],
    ['state', product.state, 'finish'],
    ['opens_at', String(product.opensAt ?? ''), 'finish'],
    ['closes_at', String(product.closesAt ?? ''), 'finish'],
  ];
  const wrong = settings.filter(([name, value]) => fields.get(name) !== value);
  if (wrong.length > 0) {
    const repair = wrong.some(([, , needed]) => needed === 'rebuild') ? 'rebuild' : 'finish';
    const found = `Redis and MySQL differ in ${wrong.map(([name]) => name).join(', ')}`;
    findings.push(finding('settings', repair, found, wrong.length));
  }
  const stock = number('stock');
  if (stock !== product.stock) {
    const repair = stock < product.stock ? 'finish' : 'rebuild';
    const found = `Redis has ${stock} units on sale, MySQL ${product.stock}`;
    findings.push(finding('stock', repair, found, Math.abs(stock - product.stock) || 1));
  }
  const left = number('left');
  if (number('sold') + left !== stock) {
    const found = 'Redis: units sold and left are not the stock';
    findings.push(finding('counters', 'rebuild', found));
  } else if (unitsIn(parseRanges(fields.get('free') ?? '')) !== left) {
    findings.push(finding('counters', 'rebuild', 'Redis: the free units are not what is left'));
  }
  return findings;
}

/** Compares what MySQL says of the whole sale with itself. */
export function compareFigures(figures: Figures): Finding[] {
  const { product, units, unitsBeyond, unitsAstray, confirmedUnits, rejected } = figures;
  const findings: Finding[] = [];
  const unsold = product.stock - units;
  if (product.unsold !== unsold) {
    const found = `MySQL says ${product.unsold} unsold, its units leave ${unsold}`;
    const repair = unsold >= 0 ? 'recount' : null;
    findings.push(finding('unsold', repair, found, Math.abs(product.unsold - unsold)));
  }
  const { ledgerStock, ledgerUnsold } = figures;
  if (ledgerStock !== product.stock || ledgerUnsold !== unsold) {
    // Which of the two tells what happened, nobody can say: a person has to look.
    const found =
      `MySQL: by its ledger ${ledgerUnsold} of ${ledgerStock} units are unsold, ` +
      `by its rows ${unsold} of ${product.stock}`;
    const count = Math.max(Math.abs(ledgerStock - product.stock), Math.abs(ledgerUnsold - unsold));
    findings.push(finding('ledger', null, found, count));
  }
  if (unitsBeyond > 0) {
    const found = `MySQL: ${unitsBeyond} units were sold beyond the stock`;
    findings.push(finding('oversold', null, found, unitsBeyond));
  }
  if (unitsAstray > 0 || confirmedUnits !== units) {
    const found = `MySQL: confirmed orders have ${confirmedUnits} units, ${units} units have rows`;
    const count = Math.max(unitsAstray, Math.abs(confirmedUnits - units));
    findings.push(finding('units', null, found, count));
  }
  if (rejected > 0) {
    const found = `MySQL: ${rejected} accepted orders were rejected`;
    findings.push(finding('rejected', null, found, rejected));
  }
  return findings;
}

/** What orders are compared by. */
export interface OrderLook {
  readonly cut: Snapshot;
  readonly orders: OrderRecords;
  readonly rows: ReadonlyMap<string, Row>;
  /** persist-order has answered for every event of the cut: a row that is not there won't come. */
  readonly delivered: boolean;
}

/** Notes come after the row, and may be lost: after so long they are. */
const notedWithinUs = 30_000_000;

/** Compares orders in Redis with their rows, both ways. */
export async function compareOrders(look: OrderLook): Promise<Finding[]> {
  const { cut, orders, rows } = look;
  const found = new Map<DifferenceCode, string[]>();
  const add = (code: DifferenceCode | undefined, orderId: string) => {
    if (!code) return;
    const known = found.get(code);
    if (known) known.push(orderId);
    else found.set(code, [orderId]);
  };
  await eachInSteps(orders, ([orderId, order]) => {
    add(judgeOrder(look, order, rows.get(orderId)), orderId);
  });
  const lastAt = Number(cut.fields.get('last_at'));
  await eachInSteps(rows, ([orderId, { acceptedAt }]) => {
    if (acceptedAt <= lastAt && !orders.has(orderId)) add('order_missing', orderId);
  });
  return [...found].map(([code, ids]) => {
    const { repair, text } = orderFindings[code] ?? { repair: null, text: code };
    return finding(code, repair, `${ids.length} ${text}`, ids.length, ids);
  });
}

const orderFindings: Partial<Record<DifferenceCode, { repair: Repair; text: string }>> = {
  row_missing: { repair: 'republish', text: 'orders in Redis were delivered and have no row' },
  order_missing: { repair: 'rebuild', text: 'rows in MySQL have no order in Redis' },
  order_differs: { repair: 'rebuild', text: 'orders in Redis differ from their rows' },
  cancel_unfinished: { repair: 'finish', text: 'cancelled orders hold their units in Redis' },
  status_not_noted: { repair: 'note', text: 'orders in Redis lack their status' },
};

function judgeOrder(
  { cut, delivered }: OrderLook,
  order: OrderRecord | undefined,
  row: Row | undefined,
): DifferenceCode | undefined {
  if (!order) return 'order_differs';
  if (order.acceptedAtUs > Number(cut.fields.get('last_at'))) return undefined;
  if (!row) {
    return delivered && !cut.outbox.has(order.batchNumber) ? 'row_missing' : undefined;
  }
  if (row.userId !== order.userId || row.quantity !== order.quantity) return 'order_differs';
  if (row.status === 'cancelled' && isHolding(order)) return 'cancel_unfinished';
  if (row.status === 'confirmed' && !isHolding(order)) return 'order_differs';
  const isOld = order.acceptedAtUs < cut.atUs - notedWithinUs;
  return order.status === 'accepted' && isOld ? 'status_not_noted' : undefined;
}

function isHolding({ status }: OrderRecord): boolean {
  return status === 'accepted' || status === 'confirmed';
}

/** Compares the units that orders hold with those that are free. */
export async function compareUnits(
  cut: Snapshot,
  orders: OrderRecords,
  isQuiet: boolean,
): Promise<Finding[]> {
  const lastAt = Number(cut.fields.get('last_at'));
  const units = new Units(Number(cut.fields.get('stock')));
  await eachInSteps(orders.values(), (order) => {
    if (!order || !isHolding(order) || order.acceptedAtUs > lastAt) return;
    for (const range of order.units) units.take(range);
  });
  const { twice, beyond } = units;
  if (twice + beyond > 0) {
    const found = `Redis: ${twice} units belong to more than one order, ${beyond} are beyond the stock`;
    return [finding('oversold', null, found, twice + beyond)];
  }
  await eachInSteps(parseRanges(cut.fields.get('free') ?? ''), (range) => {
    units.take(range);
  });
  // What is cancelled after the cut is held no more, and was not free then.
  const wrong = units.twice + units.beyond + (isQuiet ? units.left : 0);
  if (wrong === 0) return [];
  const found = `Redis: ${wrong} units are neither free nor sold, or both`;
  return [finding('counters', 'rebuild', found, wrong)];
}

/** Who has which of the units from 1 to the stock: a byte for each. */
class Units {
  readonly #taken: Uint8Array;
  /** Units taken more than once, beyond the stock, and not at all. */
  twice = 0;
  beyond = 0;
  left: number;

  constructor(stock: number) {
    this.#taken = new Uint8Array(Math.min(stock, stockMax) + 1);
    this.left = this.#taken.length - 1;
  }

  take([first, last]: UnitRange): void {
    const end = Math.min(last, this.#taken.length - 1);
    this.beyond += Math.max(0, last - Math.max(end, first - 1));
    for (let unit = Math.max(1, first); unit <= end; unit += 1) {
      if (this.#taken[unit] === 0) this.left -= 1;
      else this.twice += 1;
      this.#taken[unit] = 1;
    }
  }
}

/** Buyers whose totals are not the sum of these orders, as far as can be said from one reading. */
export async function suspectBuyers(
  orders: OrderRecords,
  buyers: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const held = new Map<string, { readonly ids: string[]; quantity: number }>();
  await eachInSteps(orders, ([orderId, order]) => {
    if (!order) return;
    const known = held.get(order.userId) ?? { ids: [], quantity: 0 };
    known.ids.push(orderId);
    if (isHolding(order)) known.quantity += order.quantity;
    held.set(order.userId, known);
  });
  const suspects = new Map<string, readonly string[]>();
  const judge = (userId: string) => {
    const total = Number(/^\d+\|(\d+)$/.exec(buyers.get(userId) ?? '')?.[1] ?? 0);
    const known = held.get(userId);
    if (total !== (known?.quantity ?? 0)) suspects.set(userId, known?.ids ?? []);
  };
  await eachInSteps(held.keys(), judge);
  await eachInSteps(buyers.keys(), (userId) => {
    if (!held.has(userId)) judge(userId);
  });
  return suspects;
}

export function buyersFinding(count: number): Finding {
  return finding('buyers', 'rebuild', `Redis: ${count} buyers differ from their orders`, count);
}
