import { describe, expect, test } from 'vitest';
import { boardMembersMax } from '#lib/constants.ts';
import { batchIdOf, type OrderEvent } from '#lib/order-event.ts';
import { orderIdOf } from '#lib/order-id.ts';
import { check, checkInSteps } from './check.ts';
import { checkBoards } from './check-boards.ts';
import { cleanEvent, cleanFacts } from './clean-sale.ts';
import type {
  AuditRow,
  EventFact,
  Facts,
  MovementRow,
  OrderRow,
  ProductRow,
  UnitRow,
} from './facts.ts';
import { createFindings } from './findings.ts';

type Writable<T> =
  T extends ReadonlyMap<infer Key, infer Value>
    ? Map<Key, Value>
    : T extends object
      ? { -readonly [Name in keyof T]: Writable<T[Name]> }
      : T;

function writable(facts: Facts): Writable<Facts> {
  return structuredClone(facts) as Writable<Facts>;
}

/** The clean sale with one change. */
function changed(change: (facts: Writable<Facts>) => void): Facts {
  const facts = writable(cleanFacts());
  change(facts);
  return facts;
}

/** Changes the sale's fields as they are, not while one looks. */
function withSale(name: string, value: string | undefined): Facts {
  return changed(({ redis }) => {
    for (const sale of [redis.sale, redis.saleAfter]) {
      if (value === undefined) sale.delete(name);
      else sale.set(name, value);
    }
  });
}

/** Changes the value of one order, `status|quantity|batch|acceptedAt|units|userId`. */
function withRedisOrder(index: number, part: number, value: string): Facts {
  return changed(({ redis }) => {
    const [orderId, text] = [...redis.orders][index] ?? ['', ''];
    redis.orders.set(
      orderId,
      text
        .split('|')
        .map((old, at) => (at === part ? value : old))
        .join('|'),
    );
  });
}

function withEvent(index: number, change: (event: OrderEvent) => void): Facts {
  return changed(({ kafka }) => {
    const fact = kafka.events[index] as EventFact;
    const event = JSON.parse(fact.data) as OrderEvent;
    change(event);
    kafka.events[index] = { ...fact, data: JSON.stringify(event) };
  });
}

function withFirstOrder(change: (order: OrderEvent['orders'][number]) => void): Facts {
  return withEvent(0, ({ orders: [order] }) => {
    if (order !== undefined) change(order);
  });
}

const withProduct = (values: Partial<ProductRow>) =>
  changed(({ mysql }) => {
    mysql.product = { ...(mysql.product as ProductRow), ...values };
  });
const withRow = (index: number, values: Partial<OrderRow>) =>
  changed(({ mysql }) => {
    mysql.orders[index] = { ...(mysql.orders[index] as OrderRow), ...values };
  });
const withUnit = (index: number, values: Partial<UnitRow>) =>
  changed(({ mysql }) => {
    mysql.units[index] = { ...(mysql.units[index] as UnitRow), ...values };
  });
const withLedger = (index: number, values: Partial<MovementRow>) =>
  changed(({ mysql }) => {
    mysql.ledger[index] = { ...(mysql.ledger[index] as MovementRow), ...values };
  });
const [ann, bob] = cleanEvent('p-1', 1).orders.map(({ orderId }) => orderId);

test('a sale in which everything is right is ok', () => {
  const verdict = check(cleanFacts());
  // As `verify -o json` prints it.
  expect(JSON.stringify(verdict)).toMatch(
    /^{"stock":10,"sold":7,"rows":4,"units":7,"oversold":0,"lost":0,"duplicated":0,"ranked":3,"ok":true,/,
  );
  expect(verdict).toEqual({
    stock: 10,
    sold: 7,
    rows: 4,
    units: 7,
    oversold: 0,
    lost: 0,
    duplicated: 0,
    ranked: 3,
    pending: 0,
    known: true,
    ok: true,
    settling: false,
    problems: [],
    waiting: [],
  });
});

const corruptions: Record<string, Facts> = {
  'Redis: no sale': changed(({ redis }) => {
    redis.sale.clear();
    redis.saleAfter.clear();
  }),
  ...Object.fromEntries(
    Object.entries({
      version: '2',
      generation: '2',
      revision: 'x',
      incarnation: '-1',
      name: 'Lump',
      unit_price: '2000',
      currency: 'USD',
      limit: '4',
      stock: '11',
      left: '4',
      sold: '6',
      free: '8-9',
      state: 'closed',
      opens_at: '1',
      closes_at: '1795000000000000',
      batches: '2',
      last_at: '1795000000000899',
    }).flatMap(([name, value]) => [
      [`Redis: sale.${name}`, withSale(name, value)],
      [`Redis: no sale.${name}`, withSale(name, undefined)],
    ]),
  ),
  'Redis: free ranges overlap sold ones': withSale('free', '7-9'),
  'Redis: free ranges out of order': withSale('free', '9-10,8-8'),
  'Redis: free ranges unreadable': withSale('free', '10-8'),
  'Redis: order status': withRedisOrder(0, 0, 'cancelled'),
  'Redis: order status unknown': withRedisOrder(0, 0, 'paid'),
  'Redis: order quantity': withRedisOrder(0, 1, '1'),
  'Redis: order batch': withRedisOrder(0, 2, '2'),
  'Redis: order of a loaded batch': withRedisOrder(0, 2, '0'),
  'Redis: order accepted-at': withRedisOrder(0, 3, '1795000000000007'),
  'Redis: order units': withRedisOrder(0, 4, '1-1,8-8'),
  'Redis: order units of another': withRedisOrder(0, 4, '1-1,3-3'),
  'Redis: order units huge': withRedisOrder(0, 4, '1-9007199254740991'),
  'Redis: order user': withRedisOrder(0, 5, 'eve'),
  'Redis: order gone': changed(({ redis }) => redis.orders.delete(ann ?? '')),
  'Redis: order unreadable': changed(({ redis }) => redis.orders.set(ann ?? '', 'x')),
  'Redis: an order nobody knows': changed(({ redis }) =>
    redis.orders.set(orderIdOf('p-1', 'eve', 'k'), 'accepted|1|3|1795000000000900|8-8|eve'),
  ),
  'Redis: buyer quantity': changed(({ redis }) => redis.buyers.set('cy', '1795000000000050|2')),
  'Redis: buyer first-at': changed(({ redis }) => redis.buyers.set('cy', '1795000000000051|3')),
  'Redis: buyer gone': changed(({ redis }) => redis.buyers.delete('cy')),
  'Redis: buyer without order': changed(({ redis }) => redis.buyers.set('eve', '1|1')),
  'Redis: outbox unreadable': changed(({ redis }) => redis.outbox.set('3', '{}')),
  'Redis: outbox differs from Kafka': changed(({ redis, kafka }) =>
    redis.outbox.set('3', `${kafka.events[2]?.data ?? ''} `),
  ),
  'Redis: outbox number': changed(({ redis, kafka }) =>
    redis.outbox.set('4', kafka.events[2]?.data ?? ''),
  ),
  'board by speed': changed(({ redis }) => redis.boards.speed.set('cy', 1)),
  'board by speed, one missing': changed(({ redis }) => redis.boards.speed.delete('cy')),
  'board by speed, one too many': changed(({ redis }) => redis.boards.speed.set('eve', 1)),
  'board by quantity': changed(({ redis }) => redis.boards.quantity.set('cy', 4)),
  'board by score': changed(({ redis }) => redis.boards.score.set('cy', 4)),
  'board of products': changed(({ redis }) => {
    redis.productScore = 8;
  }),
  'Kafka: event gone': changed(({ kafka }) => kafka.events.splice(1, 1)),
  'Kafka: event unreadable': changed(({ kafka }) => {
    kafka.events[1] = { ...(kafka.events[1] as EventFact), data: '{"productId":' };
  }),
  'Kafka: event id': changed(({ kafka }) => {
    kafka.events[1] = { ...(kafka.events[1] as EventFact), id: 'p-1.1.9' };
  }),
  'Kafka: event id of no batch': changed(({ kafka }) => {
    kafka.events[1] = { ...(kafka.events[1] as EventFact), id: 'p-1.1.' };
  }),
  'Kafka: event product': withEvent(0, (event) => (event.productId = 'p-2')),
  'Kafka: event generation': withEvent(0, (event) => (event.generation = 2)),
  'Kafka: event accepted-at': withEvent(0, (event) => (event.acceptedAt += 5)),
  'Kafka: event price': withEvent(0, (event) => (event.unitPrice += 5)),
  'Kafka: event currency': withEvent(0, (event) => (event.currency = 'EUR')),
  'Kafka: order gone from event': withEvent(0, (event) => event.orders.pop()),
  'Kafka: order id': withFirstOrder((order) => (order.orderId = orderIdOf('p-1', 'ann', 'z'))),
  'Kafka: order user': withFirstOrder((order) => (order.userId = 'eve')),
  'Kafka: order quantity': withFirstOrder((order) => (order.quantity = 1)),
  'Kafka: order units': withFirstOrder((order) => (order.units = [[8, 9]])),
  'Kafka: order first-at': withFirstOrder((order) => (order.userFirstAt += 1)),
  'Kafka: order user total': withFirstOrder((order) => (order.userQuantity = 3)),
  'Kafka: order running total': withFirstOrder((order) => (order.sold = 9)),
  'MySQL: no product': changed(({ mysql }) => {
    mysql.product = undefined;
  }),
  'MySQL: product name': withProduct({ name: 'Lump' }),
  'MySQL: product price': withProduct({ unitPrice: 1 }),
  'MySQL: product currency': withProduct({ currency: 'USD' }),
  'MySQL: product stock': withProduct({ stock: 11 }),
  'MySQL: product unsold': withProduct({ unsold: 4 }),
  'MySQL: product limit': withProduct({ limitPerUser: 2 }),
  'MySQL: product state': withProduct({ state: 'paused' }),
  'MySQL: product opens': withProduct({ opensAt: null }),
  'MySQL: product closes': withProduct({ closesAt: 1 }),
  'MySQL: product generation': withProduct({ generation: 0 }),
  'MySQL: order gone': changed(({ mysql }) => mysql.orders.shift()),
  'MySQL: order twice': changed(({ mysql }) => mysql.orders.push(mysql.orders[0] as OrderRow)),
  'MySQL: order id': withRow(0, { orderId: orderIdOf('p-1', 'ann', 'other') }),
  'MySQL: order product': withRow(0, { productId: 'p-2' }),
  'MySQL: order user': withRow(0, { userId: 'eve' }),
  'MySQL: order quantity': withRow(0, { quantity: 1 }),
  'MySQL: order rejected': withRow(0, { status: 'rejected', reason: 'unit_taken' }),
  'MySQL: order cancelled': withRow(0, { status: 'cancelled' }),
  'MySQL: order status': withRow(0, { status: 'paid' as 'confirmed' }),
  'MySQL: order reason': withRow(0, { reason: 'unit_taken' }),
  'MySQL: order price': withRow(0, { unitPrice: 1 }),
  'MySQL: order currency': withRow(0, { currency: 'USD' }),
  'MySQL: order batch': withRow(0, { batchId: 'p-1.1.2' }),
  'MySQL: order first-at': withRow(0, { userFirstAt: 1 }),
  'MySQL: order user total': withRow(0, { userQuantity: 1 }),
  'MySQL: order running total': withRow(0, { sold: 1 }),
  'MySQL: order accepted-at': withRow(0, { acceptedAt: 1 }),
  'MySQL: unit gone': changed(({ mysql }) => mysql.units.shift()),
  'MySQL: unit twice': changed(({ mysql }) => mysql.units.push(mysql.units[0] as UnitRow)),
  'MySQL: unit number': withUnit(0, { unit: 8 }),
  'MySQL: unit of another order': withUnit(0, { orderId: bob ?? '' }),
  'MySQL: unit of no order': withUnit(0, { orderId: 'p-1.unknown' }),
  'MySQL: no ledger': changed(({ mysql }) => {
    mysql.ledger = [];
  }),
  'MySQL: put on sale, another number': withLedger(0, { units: 11 }),
  'MySQL: put on sale by nobody': withLedger(0, { reference: 'another-operation' }),
  'MySQL: not put on sale': changed(({ mysql }) => mysql.ledger.shift()),
  'MySQL: a batch sold fewer': withLedger(1, { units: -2 }),
  'MySQL: a batch sold in the ledger alone': changed(({ mysql }) =>
    mysql.ledger.push({ kind: 'sold', reference: 'p-1.1.9', units: 0 }),
  ),
  'MySQL: a batch not in the ledger': changed(({ mysql }) => mysql.ledger.pop()),
  'MySQL: a batch of another name': withLedger(1, { reference: 'p-1.1.9' }),
  'MySQL: a movement of no kind': withLedger(1, { kind: 'lost' as 'sold' }),
  'MySQL: a cancellation of no order': changed(({ mysql }) =>
    mysql.ledger.push({ kind: 'cancelled', reference: bob ?? '', units: 0 }),
  ),
  'MySQL: a restock of nobody': changed(({ mysql }) =>
    mysql.ledger.push({ kind: 'restock', reference: 'an-operation', units: 0 }),
  ),
};

test('in steps it comes to the same', async () => {
  for (const facts of [cleanFacts(), ...Object.values(corruptions)]) {
    expect(await checkInSteps(facts)).toEqual(check(facts));
  }
});

test('between its steps others have their turn, the more often the larger the sale', async () => {
  const turnsOf = async (facts: Facts) => {
    let turns = 0;
    const counted = new AbortController();
    const takeTurn = () => {
      turns += 1;
      if (!counted.signal.aborted) setImmediate(takeTurn);
    };
    setImmediate(takeTurn);
    await checkInSteps(facts);
    counted.abort();
    return turns;
  };
  const many = 20_000;
  const large = changed(({ mysql, redis }) => {
    const row = mysql.orders[0] as OrderRow;
    for (let at = 0; at < many; at += 1) {
      mysql.orders.push({ ...row, orderId: `p-1.${at}`, userId: `user-${at}` });
      redis.orders.set(`p-1.${at}`, `confirmed|1|1|5|8-8|user-${at}`);
      redis.buyers.set(`user-${at}`, '5|1');
    }
  });
  // As often in each loop over orders, rows or buyers.
  expect(await turnsOf(large)).toBeGreaterThan((await turnsOf(cleanFacts())) + 8 * (many / 1_000));
});

test.each(Object.entries(corruptions))('one field is wrong, and it shows: %s', (_, facts) => {
  const verdict = check(facts);
  expect(verdict.ok).toBe(false);
  expect(verdict.settling).toBe(false);
  expect(verdict.problems.length).toBeGreaterThan(0);
});

test('each line of a finding is for a person and names no buyer', () => {
  for (const facts of Object.values(corruptions)) {
    for (const line of check(facts).problems) {
      expect(line).toMatch(/^[A-Z0-9].{10,}$/);
      expect(line).not.toMatch(/\b(ann|bob|cy|eve)\b/);
    }
  }
});

test('an event in two copies is one event', () => {
  const facts = changed(({ kafka }) =>
    kafka.events.push({ ...(kafka.events[0] as EventFact), offset: 9 }),
  );
  expect(check(facts)).toMatchObject({ sold: 7, duplicated: 0, ok: true });
});

test('an order accepted in two batches is duplicated', () => {
  const facts = changed(({ kafka }) => {
    const event = { ...cleanEvent('p-1', 1), acceptedAt: 1_795_000_000_002_000 };
    event.orders = event.orders.slice(0, 1).map((order) => ({ ...order, units: [[8, 9]] }));
    const data = JSON.stringify(event);
    kafka.events.push({ partition: 4, offset: 1, id: 'p-1.1.4', data });
  });
  expect(check(facts)).toMatchObject({ duplicated: 1, ok: false, settling: false });
});

test('a unit that two orders have is oversold and duplicated', () => {
  const inKafka = withFirstOrder((order) => (order.units = [[2, 3]]));
  expect(check(inKafka)).toMatchObject({ oversold: 1, duplicated: 1, ok: false });
  const inRedis = withRedisOrder(0, 4, '2-3');
  expect(check(inRedis)).toMatchObject({ oversold: 1, ok: false });
  const inMysql = withUnit(0, { unit: 3 });
  expect(check(inMysql)).toMatchObject({ oversold: 1, duplicated: 1, ok: false });
});

test('units beyond the stock are oversold', () => {
  expect(check(withProduct({ stock: 5, unsold: 0 }))).toMatchObject({ oversold: 2, ok: false });
  expect(check(withUnit(6, { unit: 11 }))).toMatchObject({ oversold: 1, ok: false });
});

const withoutAnnsRow = (more: (facts: Writable<Facts>) => void = () => undefined) =>
  changed((facts) => {
    const { mysql } = facts;
    mysql.orders = mysql.orders.filter(({ orderId }) => orderId !== ann);
    mysql.units = mysql.units.filter(({ orderId }) => orderId !== ann);
    mysql.product = { ...(mysql.product as ProductRow), unsold: 5 };
    mysql.ledger[1] = { ...(mysql.ledger[1] as MovementRow), units: -1 };
    facts.redis.orders.set(ann ?? '', 'accepted|2|1|1795000000000000|1-2|ann');
    more(facts);
  });

test('an order without a row is lost once its event was delivered', () => {
  const verdict = check(withoutAnnsRow());
  expect(verdict).toMatchObject({ lost: 1, rows: 3, units: 5, sold: 7, settling: false });
  expect(verdict.problems).toEqual([`Lost: orders were delivered and have no row: ${ann ?? ''}`]);
});

test('until its event is delivered, it is waited for', () => {
  const facts = withoutAnnsRow(({ kafka }) => kafka.committed['persist-order'].set(1, 5));
  expect(check(facts)).toMatchObject({ lost: 0, ok: false, settling: true, problems: [] });
});

test('Redis remembers that there was a row', () => {
  const facts = withoutAnnsRow(({ kafka, redis }) => {
    kafka.committed['persist-order'].clear();
    redis.orders.set(ann ?? '', 'confirmed|2|1|1795000000000000|1-2|ann');
  });
  expect(check(facts)).toMatchObject({ lost: 1, settling: false });
});

test('an order in the dead letters is lost until it is replayed', () => {
  const bury = (facts: Writable<Facts>) => {
    facts.kafka.committed['persist-order'].clear();
    facts.kafka.deadLetters['persist-order'] = [facts.kafka.events[0] as EventFact];
  };
  expect(check(withoutAnnsRow(bury))).toMatchObject({ lost: 1, settling: false });
  expect(check(changed(bury))).toMatchObject({ lost: 0, ok: true });
});

test('a replayed order is waited for until it has a row or died again', () => {
  const replayed = withoutAnnsRow(({ kafka }) => {
    const event = kafka.events[0] as EventFact;
    const letter = { ...event, partition: 0, offset: 0 };
    // Dead, though its offset is not committed because of others before it.
    const died = { ...event, offset: 17 };
    kafka.events.push(died, { ...event, offset: 18 });
    kafka.deadLetters['persist-order'] = [
      { ...letter, origin: `${event.partition}/${event.offset}` },
      { ...letter, offset: 1, origin: `${event.partition}/17` },
    ];
  });
  expect(check(replayed)).toMatchObject({ lost: 0, settling: true, problems: [] });
  const again = writable(replayed);
  const [letter] = again.kafka.deadLetters['persist-order'];
  again.kafka.deadLetters['persist-order'].push({ ...(letter as EventFact), origin: '1/18' });
  expect(check(again)).toMatchObject({ lost: 1, settling: false });
  const delivered = writable(replayed);
  delivered.kafka.committed['persist-order'].set(1, 19);
  expect(check(delivered)).toMatchObject({ lost: 1, settling: false });
  expect(check({ ...replayed, mysql: cleanFacts().mysql })).toMatchObject({ lost: 0, ok: true });
});

test('an order that Redis accepted and nobody else knows is lost', () => {
  const facts = withoutAnnsRow(({ kafka }) => {
    const event = cleanEvent('p-1', 1);
    event.orders.shift();
    event.acceptedAt += 1;
    kafka.events[0] = { ...(kafka.events[0] as EventFact), data: JSON.stringify(event) };
  });
  expect(check(facts)).toMatchObject({ lost: 1, settling: false });
});

/** The last batch is still in the outbox and nowhere else. */
const lastIsPending = changed(({ redis, kafka, mysql }) => {
  const event = kafka.events.pop();
  redis.outbox.set('3', event?.data ?? '');
  const last = mysql.orders.pop();
  mysql.units = mysql.units.filter(({ orderId }) => orderId !== last?.orderId);
  mysql.product = { ...(mysql.product as ProductRow), unsold: 4 };
  mysql.ledger.pop();
  redis.orders.set(last?.orderId ?? '', 'accepted|1|3|1795000000000900|6-6|ann');
  redis.boards.quantity.set('ann', 2);
  redis.boards.score.set('ann', 2 * 2 ** 41 + (2 ** 41 - 1 - 1_795_000_000_000));
  redis.productScore = 6;
});

test('while the outbox holds a batch, the sale is settling', () => {
  const verdict = check(lastIsPending);
  expect(verdict).toMatchObject({ sold: 7, rows: 3, units: 6, lost: 0, pending: 1 });
  expect(verdict).toMatchObject({ ok: false, settling: true, problems: [] });
  expect(verdict.waiting[0]).toBe('Batches are in the outbox: p-1.1.3');
});

test('what is settling does not hide what is wrong', () => {
  const facts = writable(lastIsPending);
  facts.mysql.product = { ...(facts.mysql.product as ProductRow), unsold: 3 };
  expect(check(facts)).toMatchObject({ ok: false, settling: false });
});

test('a pending order that is not in its batch shows', () => {
  const facts = writable(lastIsPending);
  facts.redis.orders.set(bob ?? '', 'accepted|1|3|1795000000000001|3-3|bob|x');
  expect(check(facts)).toMatchObject({ ok: false, settling: false });
});

test('boards are waited for until update-rank has every event', () => {
  const facts = changed(({ redis, kafka }) => {
    redis.boards.speed.delete('cy');
    kafka.committed['update-rank'].set(2, 5);
  });
  expect(check(facts)).toMatchObject({ ok: false, settling: true, ranked: 2, problems: [] });
});

test.each([
  ['it changed meanwhile', changed(({ redis }) => redis.saleAfter.set('batches', '4'))],
  ['it is being rebuilt', withSale('state', 'loading')],
  ['a rebuild has raised the generation in MySQL', withProduct({ generation: 2 })],
  ['Redis was restarted', withSale('run_id', 'c3')],
  ['Redis failed over', withSale('replid', 'c3')],
])('Redis cannot be compared while %s', (_, facts) => {
  expect(check(facts)).toMatchObject({ ok: false, settling: true, problems: [] });
});

test('a settled sale that has left Redis is judged by Kafka and MySQL', () => {
  const left = changed(({ redis, mysql }) => {
    for (const fields of [redis.sale, redis.saleAfter, redis.orders, redis.buyers]) fields.clear();
    mysql.product = { ...(mysql.product as ProductRow), state: 'settled' };
  });
  expect(check(left)).toMatchObject({ sold: 7, rows: 4, ok: true });
  const withoutKafka = writable(left);
  withoutKafka.kafka.events = [];
  expect(check(withoutKafka)).toMatchObject({ sold: 0, ok: false, settling: false });
  withoutKafka.kafka.complete = false;
  expect(check(withoutKafka)).toMatchObject({ sold: 7, rows: 4, ok: true });
});

test('a sale that was never loaded has nothing wrong', () => {
  const facts = changed(({ redis, kafka, mysql }) => {
    for (const fields of [redis.sale, redis.saleAfter, redis.orders, redis.buyers]) fields.clear();
    for (const board of Object.values(redis.boards)) board.clear();
    redis.productScore = undefined;
    kafka.events = [];
    mysql.orders = [];
    mysql.units = [];
    mysql.ledger = mysql.ledger.slice(0, 1);
    mysql.product = { ...(mysql.product as ProductRow), unsold: 10, generation: 0 };
  });
  expect(check(facts)).toMatchObject({ stock: 10, sold: 0, ok: true });
});

/** After a rebuild: everything was loaded from rows into generation 2. */
const rebuilt = changed(({ redis, mysql }) => {
  mysql.product = { ...(mysql.product as ProductRow), generation: 2 };
  for (const sale of [redis.sale, redis.saleAfter]) {
    sale.set('generation', '2').set('batches', '0');
  }
  for (const { orderId, quantity, acceptedAt, userId } of mysql.orders) {
    const units = redis.orders.get(orderId)?.split('|')[4] ?? '';
    redis.orders.set(orderId, `confirmed|${quantity}|0|${acceptedAt}|${units}|${userId}`);
  }
});

test('a rebuilt sale is ok, and what came late of the older generation is not lost', () => {
  expect(check(rebuilt)).toMatchObject({ sold: 7, rows: 4, ok: true });
  const facts = writable(rebuilt);
  const event: OrderEvent = {
    ...cleanEvent('p-1', 2),
    acceptedAt: 1_795_000_000_001_000,
    orders: [
      {
        orderId: orderIdOf('p-1', 'eve', 'late-key'),
        userId: 'eve',
        quantity: 1,
        units: [[8, 8]],
        userFirstAt: 1_795_000_000_001_000,
        userQuantity: 1,
        sold: 8,
      },
    ],
  };
  const late = { partition: 3, offset: 9, id: batchIdOf('p-1', 1, 4), data: JSON.stringify(event) };
  facts.kafka.events.push(late);
  facts.kafka.deadLetters['persist-order'].push(late);
  expect(check(facts)).toMatchObject({ sold: 7, lost: 0, oversold: 0, ok: true });
});

test('a product of which no store has heard is not known', () => {
  const nothing = changed(({ redis, kafka, mysql }) => {
    for (const fields of [redis.sale, redis.saleAfter, redis.orders, redis.buyers]) fields.clear();
    for (const board of Object.values(redis.boards)) board.clear();
    redis.productScore = undefined;
    kafka.events = [];
    mysql.orders = [];
    mysql.units = [];
    mysql.product = undefined;
  });
  expect(check(nothing)).toMatchObject({ known: false, ok: false, settling: false });
});

test('of many findings of one kind three are named', () => {
  const facts = changed(({ kafka }) => {
    for (let number = 10; number < 20; number += 1) {
      kafka.events.push({ partition: 1, offset: number, id: `p-1.1.${number}`, data: 'x' });
    }
  });
  expect(check(facts).problems).toEqual([
    'Events in Kafka cannot be read: p-1.1.10, p-1.1.11, p-1.1.12 and 7 more',
  ]);
});

describe('what no key of ours has signed', () => {
  type KafkaOf = Parameters<Parameters<typeof changed>[0]>[0]['kafka'];
  const signedAll = (kafka: KafkaOf) => {
    kafka.events = kafka.events.map((event) => ({ ...event, signed: true }));
  };
  const forged = { partition: 1, offset: 99, id: 'p-1.1.99', signed: false };

  test.each<[string, (first: EventFact) => EventFact]>([
    ['that cannot be read', () => ({ ...forged, data: 'x' })],
    [
      'an order that nobody has',
      ({ data }) => ({ ...forged, data: data.replaceAll('p-1.', 'p-1.0') }),
    ],
    ['another content of a batch of ours', ({ id }) => ({ ...forged, id, data: 'x' })],
  ])('is no event of the sale: %s', (_, forgery) => {
    const facts = changed(({ kafka }) => {
      signedAll(kafka);
      const foreign = forgery(kafka.events[0] as EventFact);
      kafka.events.push(foreign);
      for (const letters of Object.values(kafka.deadLetters)) letters.push(foreign);
    });
    expect(check(facts)).toEqual(check(changed(() => undefined)));
    const signed = changed(({ kafka }) => {
      kafka.events.push({ ...forgery(kafka.events[0] as EventFact), signed: true });
    });
    expect(check(signed).ok).toBe(false);
  });

  test('is ours where rows name its batch: its key was retired since', () => {
    const facts = changed(({ kafka }) => {
      kafka.events = kafka.events.map((event) => ({ ...event, signed: false }));
      kafka.events.push({ ...forged, id: kafka.events[0]?.id ?? '', data: 'x' });
    });
    expect(check(facts)).toMatchObject({ ok: true, sold: 7, lost: 0 });
  });

  test('makes no product known', () => {
    const facts = changed(({ redis, kafka, mysql }) => {
      for (const fields of [redis.sale, redis.saleAfter, redis.orders, redis.buyers]) {
        fields.clear();
      }
      redis.outbox.clear();
      kafka.events = [{ ...forged, data: 'x' }];
      mysql.orders = [];
      mysql.product = undefined;
    });
    expect(check(facts).known).toBe(false);
  });
});

const cancelledAtUs = 1_795_000_100_000_000;

/** Cy's order is cancelled, in MySQL and Redis and on the boards, by a line in the audit log. */
const cancelled = changed((facts) => {
  const { redis, mysql } = facts;
  const cy = mysql.orders[2] as OrderRow;
  mysql.orders[2] = { ...cy, status: 'cancelled', reason: 'not paid' };
  mysql.units = mysql.units.filter(({ orderId }) => orderId !== cy.orderId);
  mysql.product = { ...(mysql.product as ProductRow), unsold: 6 };
  const details = { orderId: cy.orderId, quantity: 3, reason: 'not paid' };
  mysql.audit.push({ operationId: 'cancel', action: 'cancel', details, at: cancelledAtUs });
  mysql.ledger.push({ kind: 'cancelled', reference: cy.orderId, units: 3 });
  redis.orders.set(cy.orderId, 'cancelled|3|2|1795000000000050||cy');
  for (const sale of [redis.sale, redis.saleAfter]) {
    sale.set('left', '6').set('sold', '4').set('free', '4-5,7-10').set('cancels', '1');
  }
  redis.buyers.delete('cy');
  for (const board of Object.values(redis.boards)) board.delete('cy');
  redis.productScore = 4;
});

/** Units of the cancelled order are sold again, so often, and so long after the cancellation. */
function resold(times: number, afterUs: number): Facts {
  const facts = writable(cancelled);
  const { redis, mysql, kafka } = facts;
  for (let count = 0; count < times; count += 1) {
    const batchNumber = 4 + count;
    const userId = `eve-${count}`;
    const acceptedAt = cancelledAtUs + afterUs + count;
    const orderId = orderIdOf('p-1', userId, 'a-key-of-eve');
    const totals = { userFirstAt: acceptedAt, userQuantity: 2, sold: 6 + 2 * count };
    const order: OrderEvent['orders'][number] = {
      ...{ orderId, userId, quantity: 2, ...totals },
      units: [[4, 5]],
    };
    const event = { ...cleanEvent('p-1', 1), acceptedAt, orders: [order] };
    const id = batchIdOf('p-1', 1, batchNumber);
    kafka.events.push({ partition: 1, offset: 4, id, data: JSON.stringify(event) });
    redis.orders.set(orderId, `confirmed|2|${batchNumber}|${acceptedAt}|4-5|${userId}`);
    redis.buyers.set(userId, `${acceptedAt}|2`);
    redis.boards.speed.set(userId, acceptedAt);
    redis.boards.quantity.set(userId, 2);
    const score = 2 * 2 ** 41 + (2 ** 41 - 1 - Math.floor(acceptedAt / 1_000));
    redis.boards.score.set(userId, score);
    const row = mysql.orders[0] as OrderRow;
    mysql.orders.push({
      ...{ ...row, orderId, userId, quantity: 2, acceptedAt, batchId: id, ...totals },
    });
    mysql.ledger.push({ kind: 'sold', reference: id, units: -2 });
    for (const unit of [4, 5]) mysql.units.push({ productId: 'p-1', unit, orderId });
    for (const sale of [redis.sale, redis.saleAfter]) {
      sale.set('left', '4').set('sold', '6').set('free', '7-10');
      sale.set('batches', String(batchNumber)).set('last_at', String(acceptedAt));
    }
  }
  mysql.product = { ...(mysql.product as ProductRow), unsold: 4 };
  redis.productScore = 6;
  return facts;
}

test('an order that an operator cancelled is not lost, and its units are not sold', () => {
  expect(check(cancelled)).toMatchObject({
    ...{ stock: 10, sold: 4, rows: 3, units: 4, oversold: 0, lost: 0, duplicated: 0, ranked: 2 },
    ...{ ok: true, problems: [] },
  });
});

const cancelledBut = (change: (facts: Writable<Facts>) => void) => {
  const facts = writable(cancelled);
  change(facts);
  return facts;
};

test('an order that nobody cancelled is lost where its row says cancelled', () => {
  const verdict = check(cancelledBut(({ mysql }) => mysql.audit.pop()));
  expect(verdict).toMatchObject({ lost: 1, ok: false, settling: false });
  expect(verdict.problems).toEqual([expect.stringContaining('by nobody in the audit log')]);
});

test.each<[string, Facts]>([
  [
    'its row is confirmed again',
    cancelledBut(({ mysql }) => {
      mysql.orders[2] = { ...(mysql.orders[2] as OrderRow), status: 'confirmed', reason: null };
    }),
  ],
  ['its row is gone', cancelledBut(({ mysql }) => mysql.orders.splice(2, 1))],
  [
    'it has kept a unit',
    cancelledBut(({ mysql }) =>
      mysql.units.push({
        ...{ productId: 'p-1', unit: 7, orderId: mysql.orders[2]?.orderId ?? '' },
      }),
    ),
  ],
  [
    'its units were not given back',
    cancelledBut(({ redis }) => {
      for (const sale of [redis.sale, redis.saleAfter]) sale.set('left', '3').set('free', '8-10');
    }),
  ],
  ['its buyer still has them', cancelledBut(({ redis }) => redis.buyers.set('cy', '50|3'))],
  ['its buyer is still ranked', cancelledBut(({ redis }) => redis.boards.quantity.set('cy', 3))],
  [
    'the log has it twice',
    cancelledBut(({ mysql }) => mysql.audit.push(mysql.audit[1] as AuditRow)),
  ],
])('what is wrong about a cancelled order shows: %s', (_, facts) => {
  expect(check(facts)).toMatchObject({ ok: false, settling: false });
});

test('until Redis has heard of a cancellation, the sale is settling', () => {
  const facts = cancelledBut(({ redis, mysql }) => {
    const before = cleanFacts().redis;
    for (const name of ['left', 'sold', 'free']) {
      for (const sale of [redis.sale, redis.saleAfter]) sale.set(name, before.sale.get(name) ?? '');
    }
    const cy = mysql.orders[2]?.orderId ?? '';
    redis.orders.set(cy, before.orders.get(cy) ?? '');
    redis.buyers.set('cy', before.buyers.get('cy') ?? '');
  });
  const verdict = check(facts);
  expect(verdict).toMatchObject({ lost: 0, ok: false, settling: true, problems: [] });
  expect(verdict.waiting[0]).toContain('Cancellations are on their way to Redis');
});

test('units of a cancelled order may be sold again, once', () => {
  expect(check(resold(1, 5_000_000))).toMatchObject({
    ...{ sold: 6, rows: 4, units: 6, oversold: 0, lost: 0, duplicated: 0, ok: true, problems: [] },
  });
  expect(check(resold(2, 5_000_000))).toMatchObject({ oversold: 2, duplicated: 2, ok: false });
});

test('units that were sold again before they were given back are oversold', () => {
  expect(check(resold(1, -5_000_000))).toMatchObject({ oversold: 2, ok: false, settling: false });
});

/** Two more units, in both stores and in the audit log. */
const restocked = changed(({ redis, mysql }) => {
  mysql.product = { ...(mysql.product as ProductRow), stock: 12, unsold: 5 };
  const details = { units: 2, stock: 12, unsold: 5 };
  mysql.audit.push({ operationId: 'restock', action: 'restock', details, at: 1 });
  mysql.ledger.push({ kind: 'restock', reference: 'restock', units: 2 });
  for (const sale of [redis.sale, redis.saleAfter]) {
    sale.set('stock', '12').set('left', '5').set('free', '8-12');
  }
});

test('a restock puts more units on sale; one that is in no audit log does not', () => {
  expect(check(restocked)).toMatchObject({ stock: 12, sold: 7, ok: true, problems: [] });
  const facts = writable(restocked);
  facts.mysql.audit.pop();
  const verdict = check(facts);
  expect(verdict).toMatchObject({ ok: false, settling: false });
  expect(verdict.problems).toEqual([
    'MySQL: the stock is not what operators put on sale',
    'Ledger: restocks differ from the audit log: restock',
  ]);
});

test('restocks that do not add up show', () => {
  const facts = writable(restocked);
  const line = facts.mysql.audit[1] as AuditRow;
  facts.mysql.audit.push({ ...line, operationId: 'x', details: { units: 2, stock: 15 } });
  facts.mysql.ledger.push({ kind: 'restock', reference: 'x', units: 2 });
  expect(check(facts)).toMatchObject({ ok: false, settling: false });
});

test('until Redis has heard of a restock, the sale is settling', () => {
  const facts = writable(restocked);
  for (const sale of [facts.redis.sale, facts.redis.saleAfter]) {
    sale.set('stock', '10').set('left', '3').set('free', '8-10');
  }
  expect(check(facts)).toMatchObject({
    ...{ ok: false, settling: true, problems: [], waiting: ['A restock is on its way to Redis'] },
  });
});

test('a board that was full may be short by as many places as orders were cancelled', () => {
  const many = Array.from({ length: boardMembersMax + 5 }, (_, at) => `u${at}`);
  const buyers = new Map(many.map((userId, at) => [userId, { firstAtUs: at + 1, quantity: 1 }]));
  const speed = new Map(many.slice(0, boardMembersMax - 1).map((userId, at) => [userId, at + 1]));
  const wrong = (cancelled: number) => {
    const found = createFindings();
    const boards = { speed, quantity: new Map<string, number>(), score: new Map<string, number>() };
    const steps = checkBoards({ boards, productScore: buyers.size }, buyers, cancelled, found);
    while (steps.next().done !== true);
    return found.lines().filter((line) => line.includes('by speed'));
  };
  expect(wrong(1)).toEqual([]);
  expect(wrong(0)).toEqual(['The board by speed is wrong about 6 buyers']);
  speed.delete('u7');
  expect(wrong(2)).toEqual([]);
  expect(wrong(1)).toHaveLength(1);
  speed.set('u8', 1);
  expect(wrong(2)).toEqual(['The board by speed is wrong about 1 buyers']);
});
