// `kn-seckill sale warm`: loads one sale, several, or all into Redis ahead of their opening.

import type { Command } from 'commander';
import type { Warmed } from '#functions/purchase/operate/warm.ts';
import { type Invocation, type Io, invocation, withExamples, withTarget } from './command.ts';
import { CliError, usageError } from './exit.ts';
import { productId } from './product-id.ts';
import { printSale, type Sale } from './show-sale.ts';
import { printable, table } from './table.ts';
import { startTick } from './tick.ts';

/** To load a sale may mean to rebuild it; the edge gives up after a minute. */
const timeoutMs = 65_000;
/** Few enough for progress to be seen, and for each request to end in time. */
const salesPerRequest = 25;

export function addWarm(sale: Command, io: Io): void {
  const warm = sale
    .command('warm')
    .summary('load sales into Redis ahead of their opening')
    .description(
      'Loads sales into Redis ahead of their opening (`scale warm` brings instances). ' +
        'With several, each has its own result, ' +
        'and one that fails does not stop the others; then it exits 1.',
    )
    .argument('[products...]', 'the products', collect)
    .option('--all', 'every sale that has not ended');
  withExamples(
    withTarget(warm),
    'sale warm phone',
    'sale warm phone lamp',
    'sale warm --all',
  ).action(async (products: string[], { all }: { all?: boolean }, command: Command) => {
    if ((all === true) === products.length > 0) {
      throw usageError('name products, or --all');
    }
    const given = invocation(command, io);
    const [only] = products;
    if (only !== undefined && products.length === 1) await warmOne(only, given);
    else await warmMany(all === true ? await allSales(given) : products, given);
  });
}

function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), productId(text)];
}

/** Loads one sale, and sees to it that it is looked after. */
export async function warmOne(product: string, given: Invocation): Promise<void> {
  const path = `/operator/sales/${product}/warm`;
  printSale(await given.edge().ask<Sale>({ method: 'POST', path, timeoutMs }), given);
  await startTick(given, `${product} is loaded`);
}

async function allSales(given: Invocation): Promise<string[]> {
  const request = { method: 'GET', path: '/operator/sales' } as const;
  const { sales } = await given.edge().ask<{ sales: Sale[] }>(request);
  return sales.filter(({ state }) => state !== 'ended').map((sale) => sale.productId);
}

async function warmMany(products: readonly string[], given: Invocation): Promise<void> {
  const edge = given.edge();
  const results: Warmed[] = [];
  for (let at = 0; at < products.length; at += salesPerRequest) {
    const productIds = products.slice(at, at + salesPerRequest);
    const path = '/operator/sales/warm';
    const request = { method: 'POST', path, body: { productIds }, timeoutMs } as const;
    results.push(...(await edge.ask<{ sales: Warmed[] }>(request)).sales);
    given.say(`${results.length} of ${products.length} sales`);
  }
  given.print(results, () =>
    results.length === 0
      ? 'There is no sale to load.\n'
      : table(
          ['PRODUCT', 'RESULT'],
          results.map((one) => [one.productId, resultOf(one)]),
        ),
  );
  if (results.some(({ result }) => result !== 'failed')) await startTick(given, 'sales are loaded');
  const failed = results.filter(({ result }) => result === 'failed').length;
  if (failed > 0) throw new CliError(`${failed} of ${results.length} sales were not loaded`);
}

function resultOf(one: Warmed): string {
  if (one.result === 'failed') return `failed: ${printable(one.reason)}`;
  return one.result === 'loaded' ? 'loaded' : 'was loaded';
}
