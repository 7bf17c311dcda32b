// Whether the data of an event are entirely valid, written down a second time and in another way
// than the schema that readers use, so that a mistake there is seen.

import { isUtf8 } from 'node:buffer';

type Members = Readonly<Record<string, unknown>>;

const intMax = 2 ** 31 - 1;
const isCount = (value: unknown) => isWhole(value, 1, intMax);
const isTime = (value: unknown) => isWhole(value, 1, Number.MAX_SAFE_INTEGER);

/**
 * `same`: it says what the known event says, so consuming it changes nothing. `other`: it is valid
 * and says something else. `invalid`: nobody may consume it under this id.
 */
export function judgeData(
  data: Buffer,
  batchId: string,
  known: unknown,
): 'same' | 'other' | 'invalid' {
  const value = parse(data);
  if (!isEvent(value, batchId)) return 'invalid';
  return JSON.stringify(knownPart(value, known)) === JSON.stringify(known) ? 'same' : 'other';
}

function parse(data: Buffer): unknown {
  if (!isUtf8(data)) return undefined;
  try {
    return JSON.parse(data.toString());
  } catch {
    return undefined;
  }
}

function isEvent(value: unknown, batchId: string): boolean {
  if (!isMembers(value)) return false;
  const { productId, generation, acceptedAt, unitPrice, currency, orders } = value;
  return (
    isText(productId, /^[\w-]{1,64}$/) &&
    isCount(generation) &&
    isTime(acceptedAt) &&
    isWhole(unitPrice, 0, Number.MAX_SAFE_INTEGER) &&
    isText(currency, /^[A-Z]{3}$/) &&
    batchId.startsWith(`${String(productId)}.${String(generation)}.`) &&
    isList(orders, 200) &&
    orders.every((order) => isOrder(order, String(productId)))
  );
}

function isOrder(value: unknown, productId: string): boolean {
  if (!isMembers(value)) return false;
  const { orderId, userId, quantity, units, userFirstAt, userQuantity, sold } = value;
  if (!isList(units, 1_000) || !units.every(isRange)) return false;
  const held = (units as [number, number][]).map(([first, last]) => last + 1 - first);
  return (
    isText(orderId, /^[\w-]{1,64}\.[\w-]{22}$/) &&
    String(orderId).slice(0, -23) === productId &&
    isText(userId, /^[^]{1,128}$/) &&
    !/\p{Surrogate}/u.test(String(userId)) &&
    isWhole(quantity, 1, 1_000) &&
    quantity === held.reduce((sum, count) => sum + count) &&
    isTime(userFirstAt) &&
    isCount(userQuantity) &&
    isCount(sold)
  );
}

function isRange(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [first, last] = value as unknown[];
  return isCount(first) && isCount(last) && Number(first) <= Number(last);
}

/** The members of `value` that `known` has, in its order. */
function knownPart(value: unknown, known: unknown): unknown {
  if (Array.isArray(known) && Array.isArray(value)) {
    return value.map((one, index) => knownPart(one, known[index]));
  }
  if (!isMembers(known) || !isMembers(value)) return value;
  return Object.fromEntries(
    Object.keys(known).map((name) => [name, knownPart(value[name], known[name])]),
  );
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: unknown, max: number): value is readonly unknown[] {
  return Array.isArray(value) && value.length >= 1 && value.length <= max;
}

function isText(value: unknown, form: RegExp): boolean {
  return typeof value === 'string' && form.test(value);
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && value % 1 === 0 && value >= min && value <= max;
}
