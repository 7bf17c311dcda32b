// `kn-seckill orders`: the orders of a sale, and how one is cancelled that was not paid.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { orderIdPattern } from '#lib/constants.ts';
import {
  type Invocation,
  type Io,
  invocation,
  wholeNumber,
  withExamples,
  withTarget,
} from './command.ts';
import type { Edge } from './edge.ts';
import { usageError } from './exit.ts';
import { productId } from './product-id.ts';
import { list, table } from './table.ts';
import { showMoment } from './time.ts';

/** An order as the operator API tells it. */
export interface Order {
  readonly orderId: string;
  readonly productId: string;
  readonly userId: string;
  readonly quantity: number;
  readonly status: string;
  readonly acceptedAt: string;
  readonly reason?: string;
  /** Ranges of unit numbers; not in lists. */
  readonly units?: readonly (readonly [number, number])[];
}

const path = '/operator/orders';
const pageMax = 1_000;
const limitMax = 1_000_000;
const reasonMax = 64;
/** A cancellation waits for the turn under way, and may find the sale lost and rebuild it. */
const timeoutMs = 65_000;

export function addOrders(program: Command, io: Io): void {
  const orders = program
    .command('orders')
    .summary('list, show and cancel orders')
    .description('Shows the orders of a sale, and cancels those that are not to stand.');
  addList(orders, io);
  addShow(orders, io);
  addCancel(orders, io);
}

interface ListOptions {
  readonly user?: string;
  readonly status?: string;
  readonly limit: number;
}

function addList(orders: Command, io: Io): void {
  const all = orders
    .command('list')
    .summary('list the orders of a sale, the newest first')
    .description(
      'Lists the orders of a sale that are rows in MySQL, the newest first. ' +
        'An order that was just accepted comes a moment later.',
    )
    .argument('<product>', 'the product', productId)
    .option('--user <id>', 'only of this buyer')
    .addOption(
      new Option('--status <status>', 'only of this status').choices([
        'confirmed',
        'rejected',
        'cancelled',
      ]),
    )
    .option('--limit <n>', 'at most so many', wholeNumber(1, limitMax), 100);
  withExamples(
    withTarget(all),
    'orders list phone',
    'orders list phone --user ann --status confirmed -o json',
  ).action(async (product: string, options: ListOptions, command: Command) => {
    const given = invocation(command, io);
    const found = await listOrders(product, options, given.edge());
    given.print(found, () => showOrders(found));
  });
}

/** Page by page, up to the limit. */
async function listOrders(
  product: string,
  { user, status, limit }: ListOptions,
  edge: Edge,
): Promise<Order[]> {
  const found: Order[] = [];
  let after: string | null = null;
  do {
    const query = new URLSearchParams({
      productId: product,
      ...(user === undefined ? {} : { userId: user }),
      ...(status === undefined ? {} : { status }),
      ...(after === null ? {} : { after }),
      limit: String(Math.min(pageMax, limit - found.length)),
    });
    const request = { method: 'GET', path: `${path}?${query.toString()}` } as const;
    const page: { orders: Order[]; next: string | null } = await edge.ask(request);
    found.push(...page.orders);
    after = page.next;
  } while (after !== null && found.length < limit);
  return found;
}

function addShow(orders: Command, io: Io): void {
  const one = orders
    .command('show')
    .summary('show one order')
    .description('Shows one order: its buyer, its status, and the numbers of its units.')
    .argument('<order>', 'the order id', orderId);
  withExamples(withTarget(one), 'orders show phone.dCJ0VwYAtBYBDuMrkWkmvA').action(
    async (order: string, _: object, command: Command) => {
      const given = invocation(command, io);
      const request = { method: 'GET', path: `${path}/${order}` } as const;
      printOrder(await given.edge().ask<Order>(request), given);
    },
  );
}

function addCancel(orders: Command, io: Io): void {
  const cancel = orders
    .command('cancel')
    .summary('cancel an order and put its units on sale again')
    .description(
      'Cancels an order, for instance one that was not paid, and puts its units on sale again. ' +
        'The buyer keeps the answer that it was accepted, and sees that it is cancelled. ' +
        'It is safe to repeat.',
    )
    .argument('<order>', 'the order id', orderId)
    .option('--reason <text>', `what the buyer reads, at most ${reasonMax} characters`);
  withExamples(
    withTarget(cancel),
    'orders cancel phone.dCJ0VwYAtBYBDuMrkWkmvA --reason "not paid"',
  ).action(async (order: string, { reason }: { reason?: string }, command: Command) => {
    if (reason !== undefined && (reason.trim() === '' || reason.length > reasonMax)) {
      throw usageError(`--reason: 1 to ${reasonMax} characters`);
    }
    const given = invocation(command, io);
    const request = {
      method: 'POST',
      path: `${path}/${order}/cancel`,
      body: reason === undefined ? {} : { reason },
      timeoutMs,
    } as const;
    printOrder(await given.edge().ask<Order>(request), given);
  });
}

function printOrder(order: Order, given: Invocation): void {
  given.print(order, () =>
    list([
      ['order', order.orderId],
      ['product', order.productId],
      ['buyer', order.userId],
      ['quantity', order.quantity],
      ['status', order.status],
      ...(order.reason === undefined ? [] : [['reason', order.reason] as const]),
      ['accepted', showMoment(order.acceptedAt)],
      ['units', (order.units ?? []).map(showRange).join(', ') || '-'],
    ]),
  );
}

function showRange([first, last]: readonly [number, number]): string {
  return first === last ? String(first) : `${first}-${last}`;
}

function showOrders(orders: readonly Order[]): string {
  if (orders.length === 0) return 'No orders match.\n';
  return table(
    ['ORDER', 'BUYER', 'QUANTITY', 'STATUS', 'ACCEPTED', 'REASON'],
    orders.map((order) => [
      ...[order.orderId, order.userId, order.quantity, order.status],
      ...[showMoment(order.acceptedAt), order.reason ?? ''],
    ]),
  );
}

function orderId(text: string): string {
  if (orderIdPattern.test(text)) return text;
  throw new InvalidArgumentError('An order id is a product id, a dot and 22 characters.');
}
