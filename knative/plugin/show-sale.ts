// How a sale is shown.

import type { Invocation } from './command.ts';
import { list, table } from './table.ts';
import { showMoment } from './time.ts';

/** A sale as the operator API tells it. */
export interface Sale {
  readonly productId: string;
  readonly name: string;
  /** In the currency's smallest unit. */
  readonly unitPrice: number;
  readonly currency: string;
  readonly stock: number;
  readonly left: number;
  readonly sold: number;
  /** Orders that Kafka has not acknowledged yet. */
  readonly pending: number;
  readonly state: string;
  readonly opensAt: string | null;
  readonly closesAt: string | null;
  readonly limitPerUser: number;
  readonly loaded: boolean;
  readonly settled: boolean;
}

/** Prints one sale. */
export function printSale(sale: Sale, given: Invocation): void {
  given.print(sale, () =>
    list([
      ['product', sale.productId],
      ['name', sale.name],
      ['price', showPrice(sale)],
      ['stock', sale.stock],
      ['left', sale.left],
      ['sold', sale.sold],
      ['per buyer', sale.limitPerUser],
      ['state', showState(sale)],
      ['opens', showMoment(sale.opensAt)],
      ['closes', showMoment(sale.closesAt)],
    ]),
  );
}

/** All sales as a table. */
export function showSales(sales: readonly Sale[]): string {
  if (sales.length === 0) return 'There is no sale yet; make one with `kn-seckill sale create`.\n';
  return table(
    ['PRODUCT', 'NAME', 'PRICE', 'STOCK', 'LEFT', 'SOLD', 'STATE', 'OPENS', 'CLOSES'],
    sales.map((sale) => [
      ...[sale.productId, sale.name, showPrice(sale), sale.stock, sale.left, sale.sold],
      ...[showState(sale), showMoment(sale.opensAt), showMoment(sale.closesAt)],
    ]),
  );
}

function showState({ state, settled, loaded }: Sale): string {
  if (state === 'ended') return settled ? 'ended, settled' : 'ended, not settled';
  return loaded ? state : `${state}, not in Redis`;
}

/** In the currency's own unit: 1999 of CNY is `19.99 CNY`, of JPY `1999 JPY`. */
function showPrice({ unitPrice, currency: code }: Sale): string {
  const style = { style: 'currency', currency: code } as const;
  const digits = new Intl.NumberFormat('en', style).resolvedOptions().maximumFractionDigits ?? 2;
  return `${(unitPrice / 10 ** digits).toFixed(digits)} ${code}`;
}
