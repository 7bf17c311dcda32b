// What sale windows depend on: that instances which were warmed are kept, and that what was
// scheduled is done.

import { type Check, checksOf } from '#lib/diagnosis.ts';
import { progressOf } from '../install/progress.ts';
import type { Revision } from '../kube/claims.ts';
import { type Kube, type KubeObject, kinds } from '../kube/client.ts';
import { lostWarmthOf, remedyOf } from '../kube/lost-warmth.ts';
import { type CronJob, notes, scheduleLabels } from '../kube/schedule.ts';

const say = checksOf('cluster');
/** A CronJob is seconds late, on a busy cluster many. */
const lateMs = 180_000;

/** What `scale warm` promised is kept by the revisions that are live now, or is not. */
export async function checkWarmth(kube: Kube): Promise<Check[]> {
  const [first, ...others] = lostWarmthOf(await kube.list<Revision>(kinds.revision));
  if (first === undefined) return [say.ok('warmth', 'nothing that was warmed has gone cold')];
  const told = [first, ...others].map(
    ({ service, holder, wanted, has }) => `${service} keeps ${has} of ${wanted} for ${holder}`,
  );
  const remedy = remedyOf(first);
  const each = others.length > 0 ? ', and so for each' : '';
  return [
    say.wrong('warmth', {
      found: `a roll-out has taken what \`scale warm\` has set: ${told.join('; ')}`,
      why: 'min-scale is of one revision; the one that has replaced it comes only with the crowd',
      todo:
        `\`kn-seckill ${remedy.again}\`${each}; where it is needed no more, ` +
        `\`kn-seckill ${remedy.cool}\``,
    }),
  ];
}

/** A CronJob whose minute has passed waits for the next year, and says nothing by itself. */
export async function checkSchedules(kube: Kube): Promise<Check[]> {
  const nowMs = (await kube.now()) ?? Date.now();
  const options = { labels: scheduleLabels };
  const cronJobs = await kube.list<CronJob>(kinds.cronJob, options);
  const missed = cronJobs.filter((one) => isMissed(one, nowMs)).map(productOf);
  const jobs = (await kube.list<KubeObject>(kinds.job, options)).filter(isOfSchedule);
  const failed = jobs.flatMap((job) => {
    const { state, text = '' } = progressOf(job) ?? {};
    return state === 'failed' ? [`${job.metadata.name}: ${text}`] : [];
  });
  if (missed.length + failed.length === 0) {
    return [say.ok('schedules', `${cronJobs.length} CronJobs, none was missed or has failed`)];
  }
  const told = [...missed.map((what) => `${what} was never started`), ...failed];
  return [
    say.wrong('schedules', {
      found: told.join('; '),
      why: 'the sale opens cold, or is not settled and its instances stay',
      todo:
        `\`kubectl -n ${kube.namespace} logs job/NAME\` says why; by hand: ` +
        '`kn-seckill scale warm --all --to N` and `sale warm PRODUCT`, or `sale close PRODUCT` ' +
        'and `scale cool --all --for schedule/PRODUCT`',
    }),
  ];
}

/** As `schedule` labels what it starts. */
export function isOfSchedule({ metadata: { labels = {} } }: KubeObject): boolean {
  return Object.entries(scheduleLabels).every(([name, value]) => labels[name] === value);
}

function isMissed({ metadata, status }: CronJob, nowMs: number): boolean {
  const note = (name: string) => Date.parse(metadata.annotations?.[name] ?? '');
  const [opensAt, closesAt] = [note(notes.opensAt), note(notes.closesAt)];
  const madeAt = Date.parse(metadata.creationTimestamp ?? '') || 0;
  if (status?.lastScheduleTime !== undefined) return false;
  const isWarm = metadata.annotations?.[notes.job] === 'warm';
  // What was late to be scheduled is warmed from the next minute on.
  const dueAt = isWarm ? Math.max(opensAt, madeAt) : closesAt;
  return nowMs > dueAt + lateMs && !(isWarm && nowMs > closesAt);
}

function productOf({ metadata: { annotations = {} } }: CronJob): string {
  const [product = '', job = ''] = [annotations[notes.product], annotations[notes.job]];
  return `to ${job} ${product}`;
}
