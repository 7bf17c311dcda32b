// `kn-seckill scale`: instances that are up before the crowd comes, and away again after it.

import { type Command, InvalidArgumentError } from 'commander';
import {
  durationOption,
  type Invocation,
  type Io,
  invocation,
  wholeNumber,
  withExamples,
  withOutput,
} from './command.ts';
import { CliError, exits, usageError } from './exit.ts';
import { operatorHolder, type Released, release } from './kube/claims.ts';
import type { Kube } from './kube/client.ts';
import { kinds } from './kube/kinds.ts';
import { serviceLabel } from './kube/lost-warmth.ts';
import { progressOf, type Warmed, warmServices } from './kube/warm.ts';
import { table } from './table.ts';

interface ScaleOptions {
  readonly all?: boolean;
  readonly for: string;
}
interface WarmOptions extends ScaleOptions {
  readonly to: number;
  readonly wait: number;
}
interface CoolOptions extends ScaleOptions {
  readonly force?: boolean;
}

const countMax = 1_000;

export function addScale(program: Command, io: Io): void {
  const scale = program
    .command('scale')
    .summary('bring instances up ahead of a sale, and put that back')
    .description('Brings instances up ahead of a sale, and puts back what was there before.');
  addWarm(scale, io);
  addCool(scale, io);
}

function addWarm(scale: Command, io: Io): void {
  const warm = scale
    .command('warm')
    .summary('bring instances up and wait until they are ready')
    .description(
      'Raises min-scale of the live revisions, which makes no new ones, wakes each by a request ' +
        'and waits until so many are ready; exits 1 and says why where they are not in time. ' +
        'What was there before is remembered for `scale cool`.',
    )
    .argument('[services...]', 'Knative Services')
    .option('--all', 'all of the system, of each as many as its max-scale allows')
    .requiredOption('--to <n>', 'how many instances of each', wholeNumber(1, countMax))
    .option(
      '--for <name>',
      'who needs them: of several, the highest counts',
      holder,
      operatorHolder,
    )
    .addOption(durationOption('--wait <duration>', 'how long to wait', '2m'));
  const examples = ['scale warm --all --to 3', 'scale warm purchase ratelimit-edge --to 4'];
  withExamples(withOutput(warm), ...examples).action(
    async (services: string[], options: WarmOptions, command: Command) => {
      const given = invocation(command, io);
      const kube = await given.kube();
      const warmed = await warmServices(kube, {
        services: await named(kube, services, options),
        count: options.to,
        isCapped: options.all === true,
        holder: options.for,
        timeoutMs: options.wait,
        interrupted: io.interrupted,
        say: given.say,
      }).catch((error: unknown) => {
        throw io.interrupted.aborted ? ended() : error;
      });
      printWarmed(given, warmed);
      const lacking = warmed.filter(({ ready, wanted }) => ready < wanted);
      if (lacking.length === 0) return;
      throw new CliError(
        `${lacking.map(progressOf).join('; ')}. They may still come: run it again to go on ` +
          'waiting, or `kn-seckill scale cool` to put it back',
      );
    },
  );
}

function addCool(scale: Command, io: Io): void {
  const cool = scale
    .command('cool')
    .summary('put back what was there before `scale warm`')
    .description(
      'Puts min-scale back to what it was before `scale warm`, on every revision where that is ' +
        'remembered. What a schedule or somebody else holds stays, unless --force says otherwise. ' +
        'Idle instances are gone about a minute later.',
    )
    .argument('[services...]', 'Knative Services')
    .option('--all', 'all of the system')
    .option('--for <name>', 'who does not need them any more', holder, operatorHolder)
    .option('--force', 'also what others hold');
  withExamples(withOutput(cool), 'scale cool --all', 'scale cool purchase --force').action(
    async (services: string[], options: CoolOptions, command: Command) => {
      const given = invocation(command, io);
      const kube = await given.kube();
      const cooled = await coolServices(kube, await named(kube, services, options), options);
      given.print(cooled, () => showCooled(cooled));
    },
  );
}

interface Cooled extends Released {
  readonly service: string;
  readonly revision: string;
}

/** Of services that are warm nowhere there is nothing. */
export async function coolServices(
  kube: Kube,
  services: readonly string[],
  { for: who, force }: Pick<CoolOptions, 'for' | 'force'>,
): Promise<Cooled[]> {
  const labels = `${serviceLabel} in (${services.join(',')})`;
  const revisions = services.length === 0 ? [] : await kube.list(kinds.revision, { labels });
  const cooled: Cooled[] = [];
  for (const { metadata } of revisions) {
    const released = await release(kube, metadata.name, force === true ? undefined : who);
    const service = metadata.labels?.[serviceLabel] ?? '';
    if (released.result === 'not warm' && Object.keys(released.claims).length === 0) continue;
    cooled.push({ service, revision: metadata.name, ...released });
  }
  return cooled;
}

/** All Knative Services of the system in the namespace. */
export async function allServices(kube: Kube): Promise<string[]> {
  const labels = { 'app.kubernetes.io/part-of': 'seckill' };
  const services = await kube.list(kinds.knativeService, { labels });
  if (services.length > 0) return services.map(({ metadata }) => metadata.name);
  throw new CliError(
    `the namespace ${kube.namespace} of ${kube.context} has no Knative Service of the system: ` +
      '`kn-seckill install` puts them there; -n names another namespace',
  );
}

async function named(
  kube: Kube,
  services: readonly string[],
  { all }: ScaleOptions,
): Promise<readonly string[]> {
  if ((all === true) === services.length > 0) throw usageError('name services, or --all');
  return all === true ? allServices(kube) : services;
}

function printWarmed(given: Invocation, warmed: readonly Warmed[]): void {
  given.print(warmed, () =>
    table(
      ['SERVICE', 'REVISION', 'READY', 'NODES', 'FIRST ANSWER'],
      warmed.map(({ service, revision, wanted, ready, nodes, answered, answeredMs }) => [
        ...[service, revision, `${ready}/${wanted}`, nodes.join(' ') || '-'],
        answered === null ? '-' : `${answered} after ${((answeredMs ?? 0) / 1_000).toFixed(1)} s`,
      ]),
    ),
  );
}

function showCooled(cooled: readonly Cooled[]): string {
  if (cooled.length === 0) return 'Nothing was warm.\n';
  return table(
    ['SERVICE', 'REVISION', 'RESULT'],
    cooled.map(({ service, revision, ...released }) => [service, revision, resultOf(released)]),
  );
}

function resultOf({ result, claims }: Released): string {
  const holders = Object.entries(claims).map(([who, count]) => `${count} for ${who}`);
  const held = holders.length === 0 ? '' : `; held: ${holders.join(', ')}`;
  if (result === 'changed') return `somebody has changed min-scale meanwhile: left so${held}`;
  return `${result === 'held' ? 'released' : result}${held}`;
}

/** It is typed again to cool, so it needs no quotes. */
function holder(text: string): string {
  if (/^[\w./-]{1,80}$/.test(text)) return text;
  throw new InvalidArgumentError('It is a name of letters, digits and . _ - /, like phone.');
}

function ended(): CliError {
  return new CliError(
    'ended by you; what was raised stays raised. `kn-seckill scale cool` puts it back, ' +
      '`scale warm` goes on waiting',
    exits.interrupted,
  );
}
