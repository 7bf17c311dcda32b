// Who needs how many instances of a revision, remembered on the live Revision itself, so that
// what was there before can be put back, and one sale's cooling doesn't take another's warmth.

import type { Kube } from './client.ts';
import { KubeError } from './errors.ts';
import { type Condition, type KubeObject, kinds } from './kinds.ts';

export interface Revision extends KubeObject {
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly desiredReplicas?: number;
    readonly actualReplicas?: number;
  };
}

/** Whoever calls `scale` by hand. */
export const operatorHolder = 'operator';
/** Of a schedule: apart from all people, and from products that are called as they are. */
export const scheduleHolder = (product: string) => `schedule/${product}`;

const prefix = 'autoscaling.knative.dev';
const minScale = `${prefix}/min-scale`;
/**
 * Not quite of Knative's own group, but with its name in front: an annotation that begins
 * otherwise goes into the pods' template, and writing it would replace every pod
 * (`filterExcludedAndAutoscalingAnnotations` of serving's revision reconciler, 1.23).
 */
export const memory = `${prefix}.seckill/warm`;
const attemptsMax = 8;

interface Memory {
  /** What min-scale was before, null where there was none. */
  readonly before: string | null;
  /** What we have made of it; where it is something else now, somebody else has changed it. */
  readonly set: string;
  /** How many each one needs. */
  readonly claims: Readonly<Record<string, number>>;
}

export interface Bounds {
  readonly min: number;
  /** Infinity where there is none. */
  readonly max: number;
  /** Which Knative wants no lower than min-scale. */
  readonly activation: number | undefined;
}

/** The bounds of its scale, which may be written in two ways. */
export function boundsOf({ metadata: { annotations = {} } }: Revision): Bounds {
  const number = (kebab: string, camel: string) => {
    const text = annotations[`${prefix}/${kebab}`] ?? annotations[`${prefix}/${camel}`];
    return text === undefined ? undefined : Number(text);
  };
  return {
    min: number('min-scale', 'minScale') ?? 0,
    max: number('max-scale', 'maxScale') || Number.POSITIVE_INFINITY,
    activation: number('activation-scale', 'activationScale'),
  };
}

/** Who needs how many of this revision at the moment. */
export function claimsOf(revision: Revision): Readonly<Record<string, number>> {
  return memoryOf(revision)?.claims ?? {};
}

/** Makes it at least so many, for this holder. Repeating it changes nothing. */
export function claim(kube: Kube, name: string, holder: string, count: number): Promise<Revision> {
  return change(kube, name, (revision) => {
    const before = undisturbed(revision) ?? {
      before: revision.metadata.annotations?.[minScale] ?? null,
      claims: {},
    };
    return { before: before.before, claims: { ...before.claims, [holder]: count } };
  });
}

/** What became of a revision that was to be cooled. */
export interface Released {
  readonly result: 'restored' | 'held' | 'changed' | 'not warm';
  /** Who still needs how many. */
  readonly claims: Readonly<Record<string, number>>;
}

/**
 * Takes back what a holder needs, or, without one, what all do. With nobody left, min-scale is
 * what it was before; what somebody else has made of it meanwhile stands.
 */
export async function release(
  kube: Kube,
  name: string,
  holder: string | undefined,
): Promise<Released> {
  let released: Released = { result: 'not warm', claims: {} };
  await change(kube, name, (revision) => {
    const known = memoryOf(revision);
    if (known === undefined || (holder !== undefined && !Object.hasOwn(known.claims, holder))) {
      released = { result: 'not warm', claims: known?.claims ?? {} };
      return undefined;
    }
    const left = Object.entries(known.claims).filter(
      ([who]) => holder !== undefined && who !== holder,
    );
    const claims = Object.fromEntries(left);
    const isOurs = undisturbed(revision) !== undefined;
    released = {
      result: !isOurs ? 'changed' : left.length > 0 ? 'held' : 'restored',
      claims,
    };
    return isOurs ? { before: known.before, claims } : 'forget';
  });
  return released;
}

type Change = Omit<Memory, 'set'> | 'forget' | undefined;

/** Reads, decides and writes, again where somebody else has written in between. */
async function change(
  kube: Kube,
  name: string,
  decide: (revision: Revision) => Change,
): Promise<Revision> {
  for (let attempt = 1; ; attempt += 1) {
    const revision = await kube.get<Revision>({ ...kinds.revision, name });
    if (revision === undefined) throw new KubeError(`there is no revision ${name}`, 404, 'Gone');
    const annotations = annotationsOf(decide(revision));
    const now = revision.metadata.annotations ?? {};
    const isSame = Object.entries(annotations).every(
      ([key, value]) => (now[key] ?? null) === value,
    );
    if (isSame) return revision;
    try {
      const { resourceVersion } = revision.metadata;
      const metadata = { resourceVersion, annotations };
      return await kube.patch<Revision>({ ...kinds.revision, name }, { metadata });
    } catch (error) {
      const isConflict = error instanceof KubeError && error.reason === 'Conflict';
      if (!isConflict || attempt === attemptsMax) throw error;
    }
  }
}

function annotationsOf(wanted: Change): Record<string, string | null> {
  if (wanted === undefined) return {};
  if (wanted === 'forget') return { [memory]: null };
  const { before, claims } = wanted;
  const counts = Object.values(claims);
  if (counts.length === 0) return { [minScale]: before, [memory]: null };
  const set = String(Math.max(Number(before ?? 0), ...counts));
  return { [minScale]: set, [memory]: JSON.stringify({ before, set, claims } satisfies Memory) };
}

/** What is remembered, where min-scale is still what we made of it. */
function undisturbed(revision: Revision): Memory | undefined {
  const known = memoryOf(revision);
  return known?.set === revision.metadata.annotations?.[minScale] ? known : undefined;
}

function memoryOf({ metadata: { annotations = {} } }: Revision): Memory | undefined {
  const text = annotations[memory];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Memory;
  } catch {
    // Written by hand: then nothing is known.
    return undefined;
  }
}
