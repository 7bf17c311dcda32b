// `kn-seckill limits`: the token buckets, changed while everything runs.

import { Argument, type Command } from 'commander';
import {
  type Invocation,
  type Io,
  invocation,
  wholeNumber,
  withExamples,
  withTarget,
} from './command.ts';
import { usageError } from './exit.ts';
import { productId } from './product-id.ts';
import { printable, table } from './table.ts';

const tiers = ['global', 'product', 'user', 'ip'] as const;
type Tier = (typeof tiers)[number];

interface Limit {
  readonly rate: number;
  readonly capacity: number;
}

type Limits = Readonly<Record<Tier, Limit | null>> & {
  readonly products: Readonly<Record<string, Limit>>;
  /** What the operator should know about them. */
  readonly warnings: readonly string[];
};

const amountMax = 1_000_000_000;
const path = '/operator/limits';

export function addLimits(program: Command, io: Io): void {
  const limits = program
    .command('limits')
    .summary('show and change the rate limits')
    .description(
      'A tier lets through RATE requests a second, and CAPACITY at once after a quiet time. ' +
        'Changes count within a second, on every instance. The tier ip is off until it is set, and ' +
        'needs SECKILL_TRUSTED_PROXIES at the edge; `limits reset ip` turns it off again.',
    );
  const get = limits
    .command('get')
    .summary('show the limits of all tiers')
    .description('Shows the limits of all tiers, and of products that have their own.');
  withExamples(withTarget(get), 'limits get').action(async (_: object, command: Command) => {
    const given = invocation(command, io);
    printLimits(await given.edge().ask<Limits>({ method: 'GET', path }), given);
  });
  addSet(limits, io);
  addReset(limits, io);
}

interface SetOptions extends Limit {
  readonly product?: string;
}

function addSet(limits: Command, io: Io): void {
  const set = limits
    .command('set')
    .summary('change the limit of a tier, or of one product')
    .description('Changes the limit of a tier, or of one product.')
    .addArgument(new Argument('<tier>', 'which limit').choices(tiers))
    .requiredOption('--rate <n>', 'requests a second, 1 to 1000000000', wholeNumber(1, amountMax))
    .requiredOption(
      '--capacity <n>',
      'requests at once, 1 to 1000000000',
      wholeNumber(1, amountMax),
    )
    .option('--product <product>', 'only of this product (tier product)', productId);
  withExamples(
    withTarget(set),
    'limits set global --rate 20000 --capacity 20000',
    'limits set product --product phone --rate 5000 --capacity 5000',
  ).action(async (tier: Tier, { rate, capacity, product }: SetOptions, command: Command) => {
    const given = invocation(command, io);
    const request = {
      method: 'PUT',
      path: pathOf(tier, product),
      body: { rate, capacity },
    } as const;
    printLimits(await given.edge().ask<Limits>(request), given);
  });
}

function addReset(limits: Command, io: Io): void {
  const reset = limits
    .command('reset')
    .summary('put the default limit back')
    .description(
      'Puts the default limit of a tier back; with --product, that product has its own no more.',
    )
    .addArgument(new Argument('<tier>', 'which limit').choices(tiers))
    .option('--product <product>', 'only of this product (tier product)', productId);
  withExamples(withTarget(reset), 'limits reset product --product phone').action(
    async (tier: Tier, { product }: { product?: string }, command: Command) => {
      const given = invocation(command, io);
      const request = { method: 'DELETE', path: pathOf(tier, product) } as const;
      printLimits(await given.edge().ask<Limits>(request), given);
    },
  );
}

function pathOf(tier: Tier, product: string | undefined): string {
  if (product === undefined) return `${path}/${tier}`;
  if (tier !== 'product') throw usageError('--product: only the tier product has limits of one');
  return `${path}/${tier}?product=${product}`;
}

function printLimits(limits: Limits, given: Invocation): void {
  for (const warning of limits.warnings) given.say(`warning: ${printable(warning)}`);
  given.print(limits, () => {
    const row = (tier: string, limit: Limit | null) => [
      tier,
      limit?.rate ?? 'off',
      limit?.capacity ?? 'off',
    ];
    const own = Object.entries(limits.products);
    return table(
      ['TIER', 'RATE', 'CAPACITY'],
      [
        ...tiers.map((tier) => row(tier, limits[tier])),
        ...own.map(([product, limit]) => row(`product ${product}`, limit)),
      ],
    );
  });
}
