// `kn-seckill status`: how a sale goes, at a glance or for as long as it lasts.

import type { Command } from 'commander';
import { durationOption, type Io, invocation, withExamples, withOutput } from './command.ts';
import { usageError } from './exit.ts';
import { productId } from './product-id.ts';
import { sourceOf } from './status/source.ts';
import { lookOnce, watch } from './status/watch.ts';

const intervalMinMs = 500;

interface StatusOptions {
  readonly watch?: boolean;
  readonly interval: number;
}

export function addStatus(program: Command, io: Io): void {
  const status = program
    .command('status')
    .summary('show how the sales go: purchases, stock, delays, instances, alarms')
    .description(
      'Shows what is accepted and refused in a second, what is left, how far orders are from ' +
        'their rows, which instances run where, and what needs you (alarms). Reads the counters ' +
        'of every instance and wakes none: where nothing runs it says so. ' +
        'Exits 0 when it could look, whatever it saw; --watch goes on until Ctrl-C (130).',
    )
    .argument('[product]', 'only this sale (purchases are counted for all)', productId)
    .option('-w, --watch', 'go on, in place on a terminal, else a line (or a document) per look')
    .addOption(durationOption('--interval <duration>', 'between two looks', '2s'));
  withExamples(
    withOutput(status),
    'status',
    'status phone --watch',
    "status --watch -o json | jq -c '[.at, .perSecond.accepted, .alarms[].code]'",
  ).action(async (product: string | undefined, options: StatusOptions, command: Command) => {
    const { interval: intervalMs } = options;
    if (intervalMs < intervalMinMs) throw usageError('--interval is at least 500ms');
    const given = invocation(command, io);
    const source = await sourceOf(given);
    const all = { source, productId: product, intervalMs, given };
    await (options.watch === true ? watch(all) : lookOnce(all));
  });
}
