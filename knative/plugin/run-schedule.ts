// `kn-seckill schedule run`: what the CronJobs of a schedule call. Each may be repeated, as a Job
// does where it has failed.

import { type Command, InvalidArgumentError } from 'commander';
import {
  durationOption,
  type Invocation,
  type Io,
  invocation,
  wholeNumber,
  withTarget,
} from './command.ts';
import { CliError } from './exit.ts';
import { scheduleHolder } from './kube/claims.ts';
import { progressOf, warmServices } from './kube/warm.ts';
import { productId } from './product-id.ts';
import { allServices } from './scale.ts';
import { settle, settleWaitPreset } from './settle-schedule.ts';
import type { Sale } from './show-sale.ts';
import { warmOne } from './warm.ts';

const warmMs = 300_000;
const countMax = 1_000;

interface RunOptions {
  readonly to: number;
  readonly wait: number;
}

export function addRun(schedule: Command, io: Io): void {
  const run = schedule
    .command('run', { hidden: true })
    .description('Does what a schedule has to do now. Its CronJobs call it.')
    .argument('<job>', 'warm or settle', job)
    .argument('<product>', 'the product', productId)
    .requiredOption('--to <n>', 'how many instances', wholeNumber(1, countMax))
    .addOption(durationOption('--wait <duration>', 'until it is settled', settleWaitPreset));
  withTarget(run).action(
    async (what: string, product: string, { to, wait }: RunOptions, command: Command) => {
      const given = invocation(command, io);
      await (what === 'warm' ? warm(product, to, given) : settle(product, given, wait));
    },
  );
}

async function warm(product: string, count: number, given: Invocation): Promise<void> {
  if (await hasEnded(product, given)) {
    const told = { product, state: 'ended', warmed: false };
    given.print(told, () => `${product} has ended already: nothing is warmed.\n`);
    return;
  }
  const kube = await given.kube();
  const services = await allServices(kube);
  // At once: the sale is to be loaded before it opens, also where an instance does not come, and
  // fewer instances than wanted sell, too.
  const [loading, scaling] = await Promise.allSettled([
    warmOne(product, given),
    warmServices(kube, {
      ...{ services, count, isCapped: true, timeoutMs: warmMs },
      ...{ holder: scheduleHolder(product), interrupted: given.io.interrupted, say: given.say },
    }),
  ]);
  const faults: string[] = loading.status === 'rejected' ? [textOf(loading.reason)] : [];
  if (scaling.status === 'rejected') faults.push(textOf(scaling.reason));
  else {
    const lacking = scaling.value.filter(({ ready, wanted }) => ready < wanted);
    faults.push(...lacking.map(progressOf));
  }
  if (faults.length > 0) throw new CliError(faults.join('; '));
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Somebody has closed it before its time. Where nobody tells, it is taken to be still to come. */
async function hasEnded(product: string, given: Invocation): Promise<boolean> {
  const request = { method: 'GET', path: `/operator/sales/${product}` } as const;
  try {
    return (await given.edge().ask<Sale>(request)).state === 'ended';
  } catch (error) {
    if (error instanceof CliError) return false;
    throw error;
  }
}

function job(text: string): string {
  if (text === 'warm' || text === 'settle') return text;
  throw new InvalidArgumentError('It is warm or settle.');
}
