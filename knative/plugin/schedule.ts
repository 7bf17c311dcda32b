// `kn-seckill schedule`: has the cluster warm up before a sale opens, and cool down and settle the
// sale after it has closed.

import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import {
  durationOption,
  type Invocation,
  type Io,
  invocation,
  wholeNumber,
  withExamples,
  withTarget,
} from './command.ts';
import { CliError, usageError } from './exit.ts';
import { clusterTimeMs } from './kube/clock.ts';
import { KubeError } from './kube/errors.ts';
import { kinds } from './kube/kinds.ts';
import {
  type CronJob,
  cronJobName,
  cronJobsOf,
  notes,
  type Plan,
  scheduleLabels,
} from './kube/schedule.ts';
import { edgeServiceOf, type KnativeService } from './kube/system.ts';
import { productId } from './product-id.ts';
import { addRun } from './run-schedule.ts';
import type { Sale } from './show-sale.ts';
import { list, table } from './table.ts';
import { parseMoment } from './time.ts';
import { instantsOf, isTimeZone, showIn } from './time-zone.ts';

interface ScheduleOptions {
  readonly opens?: string;
  readonly closes?: string;
  readonly warmBefore: number;
  readonly to: number;
  readonly timeZone: string;
  readonly image?: string;
}

const minuteMs = 60_000;
/** A CronJob knows no year: what is further away would be done a year early. */
const aheadMaxMs = 330 * 24 * 60 * minuteMs;
const countMax = 1_000;

export function addSchedule(program: Command, io: Io): void {
  const schedule = program
    .command('schedule')
    .summary('have the cluster warm up before a sale, and settle it afterwards')
    .description(
      'Makes two CronJobs in the cluster for a sale that has its window: one brings instances ' +
        'up and loads the sale before it opens, one puts that back and settles the sale after it ' +
        'has closed, and takes both away. The sale opens and closes by itself, to the microsecond.',
    );
  addCreate(schedule, io);
  addList(schedule, io);
  addDelete(schedule, io);
  addRun(schedule, io);
}

function addCreate(schedule: Command, io: Io): void {
  const create = schedule
    .command('create', { isDefault: true })
    .summary('schedule a sale; `schedule PRODUCT` is the same')
    .description('Schedules a sale, or changes its schedule. Repeating it changes nothing.')
    .argument('<product>', 'the product', productId)
    .option('--opens <time>', 'when it opens, as the sale itself has it')
    .option('--closes <time>', 'when it closes, as the sale itself has it')
    .addOption(durationOption('--warm-before <duration>', 'how long before it opens', '5m'))
    .option('--to <n>', 'how many instances of each function', wholeNumber(1, countMax), 3)
    .option('--time-zone <zone>', 'of the times and of the CronJobs', timeZone, 'Etc/UTC')
    .option('--image <image>', 'of the CLI (else kn-seckill from where the edge is from)');
  withExamples(
    withTarget(create),
    'schedule phone --opens 2026-11-24T20:00 --closes 2026-11-24T20:30 --time-zone Asia/Shanghai',
    'schedule phone --warm-before 10m --to 6',
    'schedule create list --to 3',
  ).action(async (product: string, options: ScheduleOptions, command: Command) => {
    const given = invocation(command, io);
    const plan = await planOf(product, options, given);
    await makeCronJobs(plan, given);
    const { image, to, opensAt, closesAt, warmAt, settleAt, timeZone: zone } = plan;
    const shown = { product, opensAt, closesAt, warmAt, settleAt, timeZone: zone, to, image };
    given.print(shown, () =>
      list([
        ['product', product],
        ['warm', `${showIn(warmAt, zone)}, ${to} instances of each function`],
        ['opens', showIn(opensAt, zone)],
        ['closes', showIn(closesAt, zone)],
        ['settle', showIn(settleAt, zone)],
        ['image', image],
      ]),
    );
  });
}

async function makeCronJobs(plan: Plan, given: Invocation): Promise<void> {
  const kube = await given.kube();
  for (const cronJob of cronJobsOf(plan)) await kube.apply(cronJob);
  // A CronJob that is made after its minute waits for the next year, and says nothing.
  if ((await clusterTimeMs(kube, given)) < Date.parse(plan.warmAt)) return;
  throw new CliError(
    `it took until after ${plan.warmAt} to make the CronJobs, which may have missed that: ` +
      'run it again',
  );
}

async function planOf(product: string, options: ScheduleOptions, given: Invocation): Promise<Plan> {
  const { warmBefore, to, timeZone: zone } = options;
  const kube = await given.kube();
  const request = { method: 'GET', path: `/operator/sales/${product}` } as const;
  const sale = await given.edge().ask<Sale>(request);
  const opensAt = agreed(product, '--opens', momentIn(options.opens, zone), sale.opensAt);
  const closesAt = agreed(product, '--closes', momentIn(options.closes, zone), sale.closesAt);
  const edge = await edgeServiceOf(kube);
  const times = timesOf(opensAt, closesAt, warmBefore, await clusterTimeMs(kube, given));
  return {
    ...{ product, opensAt, closesAt, to, timeZone: zone, ...times },
    image: options.image ?? imageOf(edge),
    imagePullSecrets: edge.spec.template.spec.imagePullSecrets ?? [],
    namespace: kube.namespace,
    operator: `schedule of ${given.io.env.SECKILL_OPERATOR || userInfo().username}`,
  };
}

/** The sale's own time; what is typed is only to agree with it. */
function agreed(
  product: string,
  option: string,
  typed: string | undefined,
  own: string | null,
): string {
  const name = option === '--opens' ? 'opening' : 'closing';
  if (own === null) {
    throw new CliError(
      `${product} has no ${name} time of its own, and a sale opens and closes by its window: ` +
        'create it with --opens and --closes',
    );
  }
  const at = new Date(own).toISOString();
  if (typed === undefined || Math.abs(Date.parse(typed) - Date.parse(at)) < 1_000) return at;
  throw new CliError(
    `${product} has its ${name} at ${at}, and not at ${typed}: leave ${option} out`,
  );
}

function timesOf(opensAt: string, closesAt: string, warmBefore: number, now: number) {
  const [opens, closes] = [Date.parse(opensAt), Date.parse(closesAt)];
  if (closes <= now)
    throw new CliError('it has closed already: `kn-seckill sale close` settles it');
  if (opens > now + aheadMaxMs) {
    throw new CliError('it opens in more than 330 days, and a CronJob knows no year: do it later');
  }
  // The first whole minute that is not over yet when the CronJob has been made.
  const soonest = Math.ceil((now + minuteMs / 3) / minuteMs) * minuteMs;
  const warm = Math.max(Math.floor((opens - warmBefore) / minuteMs) * minuteMs, soonest);
  if (warm >= closes) throw new CliError('it closes within a minute: use `kn-seckill scale warm`');
  // After the closing, also where this clock and Redis' differ by a little.
  const settle = (Math.floor(closes / minuteMs) + 1) * minuteMs;
  const iso = (epochMs: number) => new Date(epochMs).toISOString();
  return { warmAt: iso(warm), settleAt: iso(settle) };
}

/** From the registry that the edge is from, and of its release. */
function imageOf(edge: KnativeService): string {
  const image = edge.spec.template.spec.containers[0]?.image ?? '';
  const [, registry, tag] = /^(.+\/)ratelimit-edge(:[^:@/]+)?(?:@[^/]+)?$/.exec(image) ?? [];
  if (registry === undefined) return `ghcr.io/seckill/kn-seckill:${packageJson.version}`;
  return `${registry}kn-seckill${tag ?? `:${packageJson.version}`}`;
}

function addList(schedule: Command, io: Io): void {
  const all = schedule
    .command('list')
    .summary('list what is scheduled')
    .description('Lists what is scheduled, the next first.');
  withExamples(withTarget(all), 'schedule list', 'schedule list -o json').action(
    async (_: object, command: Command) => {
      const given = invocation(command, io);
      const kube = await given.kube();
      const jobs = await kube.list<CronJob>(kinds.cronJob, { labels: scheduleLabels });
      const rows = jobs
        .map(entryOf)
        .toSorted((one, other) => (orderOf(one) < orderOf(other) ? -1 : 1));
      given.print(rows, () => showEntries(rows));
    },
  );
}

/** By opening; of one sale, first what is done first. */
function orderOf({ opensAt, product, job }: ReturnType<typeof entryOf>): string {
  return `${opensAt} ${product} ${job === 'warm' ? 0 : 1}`;
}

function entryOf({ metadata, spec, status }: CronJob) {
  const note = (name: string) => metadata.annotations?.[name] ?? '';
  return {
    product: note(notes.product),
    job: note(notes.job),
    schedule: spec.schedule,
    timeZone: spec.timeZone ?? '',
    opensAt: note(notes.opensAt),
    closesAt: note(notes.closesAt),
    to: Number(note(notes.to)),
    startedAt: status?.lastScheduleTime ?? null,
    succeededAt: status?.lastSuccessfulTime ?? null,
  };
}

function showEntries(entries: readonly ReturnType<typeof entryOf>[]): string {
  if (entries.length === 0) return 'Nothing is scheduled.\n';
  return table(
    ['PRODUCT', 'JOB', 'CRON', 'ZONE', 'OPENS', 'CLOSES', 'TO', 'STATE'],
    entries.map(({ product, job, schedule, timeZone: zone, opensAt, closesAt, to, ...run }) => [
      ...[product, job, schedule, zone],
      ...[showIn(opensAt, 'UTC'), showIn(closesAt, 'UTC'), to, stateOf(run)],
    ]),
  );
}

function stateOf(run: { startedAt: string | null; succeededAt: string | null }): string {
  if (run.startedAt === null) return 'planned';
  return run.succeededAt !== null && run.succeededAt >= run.startedAt ? 'done' : 'started';
}

function addDelete(schedule: Command, io: Io): void {
  const one = schedule
    .command('delete')
    .summary('take the schedule of a sale away')
    .description(
      'Takes the schedule of a sale away. What it has warmed stays warm: ' +
        '`scale cool --all --for schedule/PRODUCT` puts that back.',
    )
    .argument('<product>', 'the product', productId);
  withExamples(withTarget(one), 'schedule delete phone').action(
    async (product: string, _: object, command: Command) => {
      const given = invocation(command, io);
      const kube = await given.kube();
      const names = (['warm', 'settle'] as const).map((job) => cronJobName(product, job));
      const removed = [];
      for (const name of names) removed.push(await kube.remove({ ...kinds.cronJob, name }));
      if (!removed.includes(true)) {
        throw new KubeError(`nothing is scheduled for ${product}`, 404, 'NotFound');
      }
      given.print({ product, deleted: true }, () => `The schedule of ${product} is gone.\n`);
    },
  );
}

/** ISO 8601 in UTC; a time without a zone is one of the time zone. */
function momentIn(text: string | undefined, zone: string): string | undefined {
  if (text === undefined) return undefined;
  const absolute = parseMoment(text, Date.now());
  if (absolute !== undefined) return absolute;
  const instants = instantsOf(text, zone);
  const [only] = instants ?? [];
  if (only !== undefined && instants?.length === 1) return new Date(only).toISOString();
  const why =
    instants === undefined
      ? 'it is a time like 2026-11-24T20:00, or one with its zone like 2026-11-24T20:00:00+08:00'
      : `clocks in ${zone} show that time ${instants.length === 0 ? 'never' : 'twice'}: name it with its offset`;
  throw usageError(`${text}: ${why}`);
}

function timeZone(text: string): string {
  if (isTimeZone(text)) return text;
  throw new InvalidArgumentError('It is a zone like Asia/Shanghai.');
}
