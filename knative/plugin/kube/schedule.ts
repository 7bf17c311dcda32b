// The two CronJobs of a scheduled sale: one warms the system before the opening, one cools it and
// settles the sale after the closing, and then takes both away. The sale opens and closes by its
// own window, which Redis' clock decides to the microsecond; a CronJob is seconds late.

import { createHash } from 'node:crypto';
import { cronOf } from '../time-zone.ts';
import { type KubeObject, kinds } from './kinds.ts';

export interface Plan {
  readonly product: string;
  /** ISO 8601 in UTC. */
  readonly opensAt: string;
  readonly closesAt: string;
  /** Whole minutes: a CronJob knows no others. */
  readonly warmAt: string;
  readonly settleAt: string;
  readonly to: number;
  readonly timeZone: string;
  readonly image: string;
  readonly imagePullSecrets: readonly { readonly name: string }[];
  readonly namespace: string;
  /** Who has planned it: goes to the audit log. */
  readonly operator: string;
}

export interface CronJob extends KubeObject {
  readonly spec: { readonly schedule: string; readonly timeZone?: string };
  readonly status?: { readonly lastScheduleTime?: string; readonly lastSuccessfulTime?: string };
}

export const scheduleLabels = {
  'app.kubernetes.io/component': 'schedule',
  'app.kubernetes.io/part-of': 'seckill',
};
export type JobKind = 'warm' | 'settle';
/** What `status` and `schedule list` read. */
export const notes = {
  product: 'kn-seckill/product',
  opensAt: 'kn-seckill/opens-at',
  closesAt: 'kn-seckill/closes-at',
  job: 'kn-seckill/job',
  to: 'kn-seckill/to',
} as const;

const account = 'kn-seckill';
/** A name is at most 52 characters long, since its jobs' names are made from it. */
const readableMax = 30;
/** So long one can read what a job has said. */
const keptSeconds = 86_400;
/** Longer than deliveries are tried again, and than a night in which nobody looks. */
export const settleMaxSeconds = 86_400;

/** The same for the same product; products whose names fit no object are told apart by a hash. */
export function cronJobName(product: string, job: JobKind): string {
  const hash = createHash('sha256').update(product).digest('hex').slice(0, 8);
  const readable = product
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, readableMax);
  return `sale-${job}-${`${readable}-`.replace(/^-+|-+(?=-)/g, '')}${hash}`;
}

/** What puts back comes first: where the second one is not made, nothing stays warm for ever. */
export function cronJobsOf(plan: Plan): readonly KubeObject[] {
  return [cronJob(plan, 'settle', plan.settleAt), cronJob(plan, 'warm', plan.warmAt)];
}

function cronJob(plan: Plan, job: JobKind, at: string): KubeObject & { readonly spec: object } {
  const { product, opensAt, closesAt, to, namespace } = plan;
  const { schedule, timeZone } = cronOf(at, plan.timeZone);
  // Late is better than not at all, as long as it helps: to warm until it closes.
  const lateSeconds =
    job === 'warm' ? (Date.parse(closesAt) - Date.parse(at)) / 1_000 : 7 * keptSeconds;
  return {
    ...kinds.cronJob,
    metadata: {
      ...{ name: cronJobName(product, job), namespace },
      labels: { ...scheduleLabels, 'app.kubernetes.io/name': 'kn-seckill' },
      annotations: {
        [notes.product]: product,
        [notes.opensAt]: opensAt,
        [notes.closesAt]: closesAt,
        [notes.job]: job,
        [notes.to]: String(to),
      },
    },
    spec: {
      ...{ schedule, timeZone },
      concurrencyPolicy: 'Forbid',
      startingDeadlineSeconds: Math.max(60, Math.ceil(lateSeconds)),
      successfulJobsHistoryLimit: 1,
      failedJobsHistoryLimit: 1,
      // By these `doctor` finds what has failed.
      jobTemplate: { metadata: { labels: scheduleLabels }, spec: jobSpec(plan, job) },
    },
  };
}

function jobSpec(plan: Plan, job: JobKind): object {
  const warmSeconds = (Date.parse(plan.closesAt) - Date.parse(plan.warmAt)) / 1_000;
  return {
    // Each try says what is wrong; with pauses of 10, 20, 40 … s these are ten minutes. What
    // passes by itself is waited for within a try (settle-schedule.ts).
    backoffLimit: 6,
    activeDeadlineSeconds: Math.max(60, Math.ceil(job === 'warm' ? warmSeconds : settleMaxSeconds)),
    ttlSecondsAfterFinished: keptSeconds,
    template: {
      metadata: {
        labels: {
          'app.kubernetes.io/name': 'kn-seckill',
          'app.kubernetes.io/part-of': 'seckill',
          'seckill/uses-kubernetes': 'true',
        },
      },
      spec: podSpec(plan, job),
    },
  };
}

function podSpec({ image, imagePullSecrets, ...plan }: Plan, job: JobKind): object {
  const { product, to, namespace, operator } = plan;
  const args = ['schedule', 'run', job, product, '--to', String(to), '--namespace', namespace];
  return {
    ...{ serviceAccountName: account, automountServiceAccountToken: true },
    ...{ restartPolicy: 'Never', enableServiceLinks: false },
    ...(imagePullSecrets.length > 0 ? { imagePullSecrets } : {}),
    containers: [
      {
        name: 'kn-seckill',
        ...{ image, args },
        env: [
          { name: 'SECKILL_OPERATOR', value: operator },
          {
            name: 'SECKILL_JWT_KEY',
            valueFrom: { secretKeyRef: { name: 'seckill-keys', key: 'SECKILL_JWT_KEY' } },
          },
        ],
        // It asks and waits; a thousand modules of a client need their memory.
        resources: {
          requests: { cpu: '50m', memory: '128Mi' },
          limits: { cpu: '1', memory: '256Mi' },
        },
        securityContext: {
          ...{ runAsNonRoot: true, runAsUser: 65_532, runAsGroup: 65_532 },
          ...{ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        },
      },
    ],
  };
}
