// Brings instances of services up ahead of a sale: min-scale of the live Revisions, which makes
// no new ones, a request that wakes each, and then it waits until they are ready or says why not.

import { setTimeout } from 'node:timers/promises';
import { CliError } from '../exit.ts';
import { boundsOf, claim, claimsOf, type Revision } from './claims.ts';
import type { Kube } from './client.ts';
import { kinds } from './kinds.ts';
import type { KnativeService } from './system.ts';
import { type Woken, wake } from './wake.ts';
import { isReady, type Pod, whyNotReady } from './why-not.ts';

export interface WarmOptions {
  readonly services: readonly string[];
  /** How many of each. */
  readonly count: number;
  /** Where a service may have fewer, that many are enough. */
  readonly isCapped: boolean;
  /** Who needs them; the highest need counts. */
  readonly holder: string;
  readonly timeoutMs: number;
  readonly interrupted: AbortSignal;
  /** Says what is waited for. */
  readonly say: (text: string) => void;
}

/** One revision of one service. */
export interface Warmed {
  readonly service: string;
  readonly revision: string;
  readonly wanted: number;
  readonly ready: number;
  readonly nodes: readonly string[];
  /** The answer to the request that woke it. */
  readonly answered: number | null;
  readonly answeredMs: number | null;
  /** Why there are fewer than wanted, or why it could not be woken. */
  readonly why: string | null;
}

const pollMs = 1_000;
/** Events and deployments are read less often than pods. */
const lookEveryMs = 4_000;

/** Resolves with how it stands when all are ready, or when the time is over. */
export async function warmServices(kube: Kube, options: WarmOptions): Promise<Warmed[]> {
  const { services, timeoutMs, interrupted, say } = options;
  const deadline = performance.now() + timeoutMs;
  await Promise.all(services.map((name) => requireRoom(kube, name, options)));
  const one = (name: string) => createWarming(kube, name, options, deadline);
  const warmings = services.map(one);
  for (;;) {
    const rounds = await Promise.all(warmings.map((look) => look()));
    const isOver = performance.now() + pollMs > deadline;
    if (rounds.every(({ isDone }) => isDone) || isOver) {
      return rounds.flatMap(({ warmed }) => warmed);
    }
    say(rounds.flatMap(({ warmed }) => warmed.map(progressOf)).join('; '));
    await setTimeout(pollMs, undefined, { signal: interrupted });
  }
}

export function progressOf({ service, ready, wanted, why }: Warmed): string {
  const reason = why === null || ready >= wanted ? '' : ` (${why})`;
  return `${service} ${ready}/${wanted} ready${reason}`;
}

interface Round {
  readonly warmed: readonly Warmed[];
  readonly isDone: boolean;
}

/** Looks after one service; what gets traffic meanwhile, as in a roll-out, is warmed, too. */
function createWarming(
  kube: Kube,
  name: string,
  { count, isCapped, holder, interrupted }: WarmOptions,
  deadline: number,
): () => Promise<Round> {
  const woken = new Map<string, Woken | undefined>();
  const claimed = new Set<string>();
  const reasons = new Map<string, string | undefined>();
  let lookAt = performance.now() + lookEveryMs;

  function wakeOnce(revision: string): void {
    if (woken.has(revision)) return;
    woken.set(revision, undefined);
    wake(kube, revision, deadline, interrupted).then(
      (answer) => woken.set(revision, answer),
      () => undefined,
    );
  }

  async function lookAtOne(revisionName: string, share: number): Promise<Warmed> {
    const known = await revisionOf(kube, revisionName);
    const wanted = isCapped ? Math.min(share, boundsOf(known).max) : share;
    // Once ours, whoever raises it further in the same name meanwhile is not lowered again.
    const isOurs = claimed.has(revisionName) || claimsOf(known)[holder] === wanted;
    const isClaimed = isOurs && boundsOf(known).min >= wanted;
    const revision = isClaimed ? known : await claim(kube, revisionName, holder, wanted);
    claimed.add(revisionName);
    wakeOnce(revisionName);
    const labels = { 'serving.knative.dev/revision': revisionName };
    const pods = await kube.list<Pod>(kinds.pod, { labels });
    const ready = pods.filter(isReady);
    const isLast = performance.now() + 2 * pollMs > deadline;
    if (ready.length < wanted && (isLast || performance.now() > lookAt)) {
      reasons.set(revisionName, await whyNotReady(kube, revision, pods));
    }
    const answer = woken.get(revisionName);
    return {
      ...{ service: name, revision: revisionName, wanted, ready: ready.length },
      nodes: [...new Set(ready.map(({ spec }) => spec.nodeName ?? ''))].toSorted(),
      answered: answer?.status ?? null,
      answeredMs: answer?.ms ?? null,
      why: (ready.length < wanted ? reasons.get(revisionName) : undefined) ?? answer?.why ?? null,
    };
  }

  return async () => {
    const service = await serviceOf(kube, name);
    const shares = sharesOf(service, count);
    const warmed: Warmed[] = [];
    for (const [revision, share] of shares) warmed.push(await lookAtOne(revision, share));
    if (performance.now() > lookAt) lookAt = performance.now() + lookEveryMs;
    const upcoming = await upcomingOf(kube, service);
    if (upcoming !== undefined)
      warmed.push({ ...nothing, ...upcoming, service: name, wanted: count });
    const isAwake = [...shares.keys()].every((revision) => woken.get(revision) !== undefined);
    const isEnough = warmed.every(({ ready, wanted }) => ready >= wanted);
    return { warmed, isDone: isEnough && isAwake };
  };
}

const nothing = { ready: 0, nodes: [], answered: null, answeredMs: null };

/** A revision that is being rolled out: it will have the traffic as soon as it is ready. */
async function upcomingOf(
  kube: Kube,
  { status }: KnativeService,
): Promise<Pick<Warmed, 'revision' | 'why'> | undefined> {
  const created = status?.latestCreatedRevisionName;
  if (created === undefined || created === status?.latestReadyRevisionName) return undefined;
  const { status: now } = await revisionOf(kube, created);
  const ready = now?.conditions?.find(({ type }) => type === 'Ready');
  // One that has failed gets no traffic, so nothing has to wait for it.
  if (ready?.status === 'False' && status?.latestReadyRevisionName !== undefined) return undefined;
  const why = [ready?.reason, ready?.message].filter(Boolean).join(': ');
  return { revision: created, why: `${created} is being rolled out${why && `: ${why}`}` };
}

/** How many of each revision with traffic: its share, and one at least. */
function sharesOf({ status }: KnativeService, count: number): Map<string, number> {
  const percents = new Map<string, number>();
  for (const { revisionName, percent = 0 } of status?.traffic ?? []) {
    if (revisionName === undefined || percent === 0) continue;
    percents.set(revisionName, (percents.get(revisionName) ?? 0) + percent);
  }
  const share = (percent: number) => Math.max(1, Math.ceil((count * percent) / 100));
  return new Map([...percents].map(([name, percent]) => [name, share(percent)]));
}

/** Knative would refuse it, or hold it back: told before anything is changed. */
async function requireRoom(kube: Kube, name: string, options: WarmOptions): Promise<void> {
  const { count, isCapped } = options;
  for (const [revisionName, share] of sharesOf(await serviceOf(kube, name), count)) {
    const { max, activation = count } = boundsOf(await revisionOf(kube, revisionName));
    if (share > max && !isCapped) {
      throw new CliError(
        `${name} may have ${max} instances (max-scale of ${revisionName}, which keeps it within ` +
          `what its stores take): ask for --to ${max}, or deploy it with more`,
      );
    }
    if (Math.min(share, max) > activation) {
      throw new CliError(
        `${revisionName} has an activation-scale of ${activation}, which Knative wants no lower ` +
          'than min-scale: deploy it without one',
      );
    }
  }
}

async function revisionOf(kube: Kube, name: string): Promise<Revision> {
  const revision = await kube.get<Revision>({ ...kinds.revision, name });
  if (revision !== undefined) return revision;
  throw new CliError(`the revision ${name} has gone meanwhile: run it again`);
}

async function serviceOf(kube: Kube, name: string): Promise<KnativeService> {
  const service = await kube.get<KnativeService>({ ...kinds.knativeService, name });
  if (service !== undefined) return service;
  throw new CliError(
    `there is no Knative Service ${name} in the namespace ${kube.namespace}: ` +
      `\`kubectl -n ${kube.namespace} get ksvc\` shows what there is`,
  );
}
