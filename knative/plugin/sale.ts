// `kn-seckill sale`: puts a product on sale and takes the sale through its life.

import { type Command, InvalidArgumentError } from 'commander';
import { stockMax, unitPriceMax } from '#lib/constants.ts';
import { addClose, slowTimeoutMs } from './close.ts';
import { type Io, invocation, moment, wholeNumber, withExamples, withTarget } from './command.ts';
import { usageError } from './exit.ts';
import { addLog } from './log.ts';
import { productId } from './product-id.ts';
import { addRestock } from './restock.ts';
import { printSale, type Sale, showSales } from './show-sale.ts';
import { startTick } from './tick.ts';
import { addWarm } from './warm.ts';

interface CreateOptions {
  readonly name: string;
  readonly stock: number;
  readonly price: number;
  readonly limit: number;
  readonly currency: string;
  readonly opens?: string;
  readonly closes?: string;
}

export function addSale(program: Command, io: Io): void {
  const sale = program
    .command('sale')
    .summary('create, list, show, warm, open, pause, restock and close sales; their log')
    .description('Puts products on sale. Every change is safe to repeat.');
  addCreate(sale, io);
  addReads(sale, io);
  addWarm(sale, io);
  addChange(sale, io, 'open', {
    summary: 'open the sale now, or end a pause',
    description:
      'Opens the sale now instead of at --opens, or ends a pause. In a cluster it starts the ' +
      'tick that looks after the sale until it is settled.',
  });
  addChange(sale, io, 'pause', {
    summary: 'refuse purchases until it is opened again',
    description:
      'Refuses purchases (`paused`) until `sale open`. What was accepted stays accepted; the ' +
      'sale still closes at its --closes.',
  });
  addRestock(sale, io);
  addClose(sale, io);
  addLog(sale, io);
  addChange(sale, io, 'ignore-unsigned', {
    summary: 'let a rebuild go on past events that no key of ours has signed',
    description:
      'Only where the system asks for it: a sale that Redis has lost is not loaded again while ' +
      'the topic holds orders of it without rows that no signing key of ours has signed. If a ' +
      'key was lost, bring it back as the second of SECKILL_SIGNING_KEYS instead: those orders ' +
      'may have been accepted. This says that they were not.',
  });
}

function addCreate(sale: Command, io: Io): void {
  const create = sale
    .command('create')
    .summary('put a product on sale')
    .description(
      'Puts a product on sale. Without --opens it stays shut until `sale open`. ' +
        'Times: now, +10s, +5m, or ISO 8601 with a zone; durations count from now on this clock.',
    )
    .argument('<product>', 'letters, digits, _ and -, at most 64', productId)
    .requiredOption('--name <name>', 'what buyers read')
    .requiredOption('--stock <n>', 'units on sale', wholeNumber(1, stockMax))
    .requiredOption(
      '--price <cents>',
      'of one unit, in the smallest unit of the currency: 199900 is 1999.00 CNY',
      wholeNumber(0, unitPriceMax),
    )
    .requiredOption('--limit <n>', 'units each buyer may have', wholeNumber(1, stockMax))
    .option('--opens <time>', 'when purchases begin', moment)
    .option('--closes <time>', 'when purchases end', moment)
    .option('--currency <code>', 'ISO 4217', currency, 'CNY');
  withExamples(
    withTarget(create),
    'sale create phone --name "Phone 12" --stock 500 --price 99900 --limit 1',
    'sale create lamp --name Lamp --stock 20 --price 1999 --limit 2 --opens +10s --closes +5m',
  ).action(async (product: string, options: CreateOptions, command: Command) => {
    const { name, stock, price: unitPrice, limit: limitPerUser } = options;
    const { opens: opensAt = null, closes: closesAt = null, currency: code } = options;
    if (name.trim() === '') throw usageError('--name: it is empty');
    if (opensAt !== null && closesAt !== null && closesAt <= opensAt) {
      throw usageError('--closes: it is not later than --opens');
    }
    const given = invocation(command, io);
    const body = {
      ...{ productId: product, name, stock, unitPrice, currency: code, limitPerUser },
      ...{ opensAt, closesAt },
    };
    const path = '/operator/sales';
    printSale(await given.edge().ask<Sale>({ method: 'POST', path, body }), given);
  });
}

function addReads(sale: Command, io: Io): void {
  const all = sale
    .command('list')
    .summary('list all sales')
    .description('Lists all sales, the newest first.');
  withExamples(withTarget(all), 'sale list', 'sale list -o json').action(
    async (_: object, command: Command) => {
      const given = invocation(command, io);
      const request = { method: 'GET', path: '/operator/sales' } as const;
      const { sales } = await given.edge().ask<{ sales: Sale[] }>(request);
      given.print(sales, () => showSales(sales));
    },
  );
  const one = sale
    .command('show')
    .summary('show one sale')
    .description('Shows one sale: what it is, what is left, and its state.')
    .argument('<product>', 'the product', productId);
  withExamples(withTarget(one), 'sale show phone').action(
    async (product: string, _: object, command: Command) => {
      const given = invocation(command, io);
      const path = `/operator/sales/${product}`;
      printSale(await given.edge().ask<Sale>({ method: 'GET', path }), given);
    },
  );
}

interface Texts {
  readonly summary: string;
  readonly description: string;
}

function addChange(sale: Command, io: Io, verb: string, texts: Texts): void {
  const change = sale
    .command(verb)
    .summary(texts.summary)
    .description(texts.description)
    .argument('<product>', 'the product', productId);
  withExamples(withTarget(change), `sale ${verb} phone`).action(
    async (product: string, _: object, command: Command) => {
      const given = invocation(command, io);
      const path = `/operator/sales/${product}/${verb}`;
      const request = { method: 'POST', path, timeoutMs: slowTimeoutMs } as const;
      printSale(await given.edge().ask<Sale>(request), given);
      if (verb === 'open') await startTick(given, `${product} is open`);
    },
  );
}

function currency(text: string): string {
  if (/^[A-Z]{3}$/.test(text)) return text;
  throw new InvalidArgumentError('It is a code of ISO 4217, like CNY.');
}
