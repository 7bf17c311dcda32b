import { expect, test } from 'vitest';
import { checkLedger } from './check-ledger.ts';
import { cleanFacts } from './clean-sale.ts';
import type { AuditRow, MovementRow, MysqlFacts, OrderRow, ProductRow } from './facts.ts';
import { createFindings } from './findings.ts';

const create = 'create-p-1';
const batch = (number: number) => `p-1.1.${number}`;
const { orders, units, product, audit } = cleanFacts().mysql;
const [ann, , cy] = orders as [OrderRow, OrderRow, OrderRow];

/** The clean sale, after Cy's order of three units was cancelled and two units were added. */
const facts: MysqlFacts & { readonly product: ProductRow } = {
  product: { ...(product as ProductRow), stock: 12, unsold: 8 },
  orders: orders.map((row) => (row === cy ? { ...cy, status: 'cancelled' } : row)),
  units: units.filter(({ orderId }) => orderId !== cy.orderId),
  audit: [
    ...audit,
    { operationId: 'r', action: 'restock', details: { units: 2, stock: 12 }, at: 1 },
    { operationId: 'c', action: 'cancel', details: { orderId: cy.orderId }, at: 2 },
  ],
  ledger: [],
};
const ledger: readonly MovementRow[] = [
  { kind: 'on_sale', reference: create, units: 10 },
  { kind: 'sold', reference: batch(1), units: -3 },
  { kind: 'sold', reference: batch(2), units: -3 },
  { kind: 'sold', reference: batch(3), units: -1 },
  { kind: 'restock', reference: 'r', units: 2 },
  { kind: 'cancelled', reference: cy.orderId, units: 3 },
];

function problemsOf(changed: Partial<MysqlFacts> & { readonly product?: ProductRow }): string[] {
  const found = createFindings();
  checkLedger({ ...facts, ledger, ...changed }, found);
  return found.lines().map((line) => line.replace('Ledger: ', ''));
}

/** With the line of this reference as it is now; without it where it is not. */
function withLine(reference: string, values: Partial<MovementRow> | undefined): MovementRow[] {
  return ledger.flatMap((line) => {
    if (line.reference !== reference) return [line];
    return values === undefined ? [] : [{ ...line, ...values }];
  });
}

const stock = 'what was put on sale and restocked is not the stock';
const unsold = 'it leaves more or fewer units unsold than have no rows';
const sold = 'batches sold more or fewer units than their orders have';
const cancelled = 'cancellations differ from the cancelled orders';
const restocked = 'restocks differ from the audit log';
const created = 'what was put on sale differs from the audit log';

test('a ledger in which everything is right', () => {
  expect(problemsOf({})).toEqual([]);
});

test('an order that was rejected took nothing from the stock', () => {
  const rejected: OrderRow = { ...ann, orderId: 'p-1.rejected', status: 'rejected' };
  expect(problemsOf({ orders: [...facts.orders, rejected] })).toEqual([]);
});

test.each<[string, MovementRow[], string[]]>([
  ['no line at all', [], [stock, unsold, sold, cancelled, restocked, created]],
  ['on sale, not there', withLine(create, undefined), [stock, unsold, created]],
  ['on sale, another number', withLine(create, { units: 11 }), [stock, unsold, created]],
  ['on sale, by nobody', withLine(create, { reference: 'x' }), [created]],
  ['on sale, counted as a restock', withLine(create, { kind: 'restock' }), [restocked, created]],
  ['a restock, not there', withLine('r', undefined), [stock, unsold, restocked]],
  ['a restock, another number', withLine('r', { units: 1 }), [stock, unsold, restocked]],
  ['a restock of nobody', withLine('r', { reference: 'x' }), [restocked]],
  ['a batch, not there', withLine(batch(2), undefined), [unsold, sold]],
  ['a batch that sold fewer', withLine(batch(2), { units: -2 }), [unsold, sold]],
  ['a batch that sold to nobody', withLine(batch(3), { reference: batch(9) }), [sold]],
  ['a cancellation, not there', withLine(cy.orderId, undefined), [unsold, cancelled]],
  ['a cancellation of fewer units', withLine(cy.orderId, { units: 2 }), [unsold, cancelled]],
  ['a cancellation of another', withLine(cy.orderId, { reference: ann.orderId }), [cancelled]],
])('what is wrong is said, and nothing else: %s', (_, lines, problems) => {
  const kinds = problemsOf({ ledger: lines }).map((line) => line.replace(/:.*/, ''));
  expect(kinds).toEqual(problems);
});

test('lines that come to nothing still have to be there for something', () => {
  const lines = (['sold', 'restock', 'cancelled', 'on_sale', 'lost'] as MovementRow['kind'][]).map(
    (kind): MovementRow => ({ kind, reference: `x-${kind}`, units: 0 }),
  );
  expect(problemsOf({ ledger: [...ledger, ...lines] })).toEqual([
    'movements are of a kind that does not exist: x-lost',
    `${sold}: x-sold`,
    `${cancelled}: x-cancelled`,
    `${restocked}: x-restock`,
    `${created}: x-on_sale`,
  ]);
});

test('it is compared with what is there, not with what the ledger says twice', () => {
  expect(problemsOf({ product: { ...facts.product, stock: 11 } })).toEqual([stock, unsold]);
  expect(problemsOf({ units: facts.units.slice(1) })).toEqual([unsold]);
  const orderOfTwo = facts.orders.map((row) => (row === ann ? { ...ann, quantity: 1 } : row));
  expect(problemsOf({ orders: orderOfTwo })).toEqual([`${sold}: ${batch(1)}`]);
  const log = facts.audit.map((line): AuditRow => ({ ...line, details: { stock: 9, units: 9 } }));
  expect(problemsOf({ audit: log })).toEqual([`${restocked}: r`, `${created}: ${create}`]);
});

test('what was put on sale is not asked for where no operator created the sale', () => {
  const onSale = withLine(create, { reference: 'p-1' });
  const log = facts.audit.filter(({ action }) => action !== 'create');
  expect(problemsOf({ ledger: onSale, audit: log })).toEqual([]);
});
