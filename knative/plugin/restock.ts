// `kn-seckill sale restock`: puts more units on sale, while buyers buy or after it was sold out.

import type { Command } from 'commander';
import { stockMax } from '#lib/constants.ts';
import { type Io, invocation, wholeNumber, withExamples, withTarget } from './command.ts';
import { usageError } from './exit.ts';
import { productId } from './product-id.ts';
import { printSale, type Sale } from './show-sale.ts';

/** It waits for the turn under way, and may find the sale lost and rebuild it. */
const timeoutMs = 65_000;

interface RestockOptions {
  readonly units?: number;
  readonly stock?: number;
}

export function addRestock(sale: Command, io: Io): void {
  const units = wholeNumber(1, stockMax);
  const restock = sale
    .command('restock')
    .summary('put more units on sale, also while buyers buy')
    .description(
      'Puts so many more units on sale, while buyers buy or after it was sold out. ' +
        'A sale that has ended cannot be restocked.',
    )
    .argument('<product>', 'the product', productId)
    .argument('[units]', 'how many more', units)
    .option('--units <n>', 'the same: how many more', units)
    .option('--stock <n>', 'the same: how many more, not how many in all', units);
  withExamples(withTarget(restock), 'sale restock phone --units 50').action(
    async (
      product: string,
      given: number | undefined,
      options: RestockOptions,
      command: Command,
    ) => {
      const said = [given, options.units, options.stock].filter((count) => count !== undefined);
      if (said.length !== 1) throw usageError('say once how many more units, like --units 50');
      const path = `/operator/sales/${product}/restock`;
      const request = { method: 'POST', path, body: { units: said[0] }, timeoutMs } as const;
      const asked = invocation(command, io);
      printSale(await asked.edge().ask<Sale>(request), asked);
    },
  );
}
