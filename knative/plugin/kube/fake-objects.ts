// For tests: the objects of a fake API server. Strict as the real one: versions of objects, fields
// by the real schemas, merge patches, server-side apply.

import type { Manifest } from '#knative/checks/manifest.ts';
import { schemaProblems } from '#knative/checks/schemas.ts';
import type { KubeObject } from './kinds.ts';

export type Json = Readonly<Record<string, unknown>>;

/** What the real one answers where it refuses, without its prose. */
export class Refused extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

/** Where an object is: its resource, like `revisions.serving.knative.dev`, and its name. */
export interface Key {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** What has to be so for a removal. */
export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

function conflict({ resource, name }: Key): Refused {
  return new Refused(
    ...([409, 'Conflict'] as const),
    `Operation cannot be fulfilled on ${resource} "${name}": the object has been ` +
      'modified; please apply your changes to the latest version and try again',
  );
}

/** Throws Refused for what an admission webhook would not let through. */
export type Admission = (object: KubeObject) => void;

export function createObjects(admit: Admission) {
  const objects = new Map<string, KubeObject>();
  const applied = new Map<string, Json>();
  let version = 100;

  const idOf = ({ resource, namespace, name }: Key) => `${resource}/${namespace}/${name}`;

  /** Keeps an object as the server would. */
  function keep(
    key: Key,
    object: KubeObject,
    { dryRun = false, isChecked = true } = {},
  ): KubeObject {
    const before = objects.get(idOf(key));
    const bare = identified(stored(object, key), before, version);
    if (isChecked) {
      requireFields(bare, before);
      admit(bare);
    }
    const isSame = before !== undefined && isEqual(bare, withoutVersion(before));
    if (!isSame) version += 1;
    const resourceVersion = isSame ? before.metadata.resourceVersion : String(version);
    const kept = { ...bare, metadata: { ...bare.metadata, resourceVersion } } as KubeObject;
    if (!dryRun) objects.set(idOf(key), kept);
    return kept;
  }

  function existing(key: Key): KubeObject {
    const object = objects.get(idOf(key));
    if (object !== undefined) return object;
    throw new Refused(404, 'NotFound', `${key.resource} "${key.name}" not found`);
  }

  return {
    keep,
    get: existing,
    find: (key: Key) => objects.get(idOf(key)),
    list(resource: string, namespace: string): KubeObject[] {
      const start = namespace === '*' ? `${resource}/` : `${resource}/${namespace}/`;
      return [...objects].filter(([id]) => id.startsWith(start)).map(([, object]) => object);
    },
    create(key: Key, object: KubeObject, dryRun: boolean): KubeObject {
      if (objects.has(idOf(key))) {
        throw new Refused(409, 'AlreadyExists', `${key.resource} "${key.name}" already exists`);
      }
      return keep(key, object, { dryRun });
    },
    merge(key: Key, patch: Json, dryRun: boolean): KubeObject {
      const now = existing(key);
      const wanted = (patch['metadata'] as Json | undefined)?.['resourceVersion'];
      if (wanted !== undefined && wanted !== now.metadata.resourceVersion) {
        throw conflict(key);
      }
      return keep(key, mergePatch(now, patch) as KubeObject, { dryRun });
    },
    /** What the same manager said before and does not say any more is gone. */
    apply(key: Key, object: KubeObject, dryRun: boolean): KubeObject {
      const now = objects.get(idOf(key)) ?? {};
      const gone = without(now, applied.get(idOf(key)), object as unknown as Json);
      const kept = keep(key, mergePatch(gone, object) as KubeObject, { dryRun });
      if (!dryRun) applied.set(idOf(key), object as unknown as Json);
      return kept;
    },
    remove(key: Key, wanted: Preconditions = {}): KubeObject {
      const object = existing(key);
      const { uid, resourceVersion } = { ...object.metadata, ...wanted };
      if (uid !== object.metadata.uid || resourceVersion !== object.metadata.resourceVersion) {
        throw conflict(key);
      }
      objects.delete(idOf(key));
      applied.delete(idOf(key));
      return object;
    },
  };
}

export type Objects = ReturnType<typeof createObjects>;

/** As it is kept, but for its version. */
function stored(object: KubeObject, { namespace }: Key): KubeObject {
  const metadata = omit(object.metadata, 'resourceVersion');
  const where = namespace === '' ? {} : { namespace };
  return { ...object, metadata: { ...metadata, ...where } as KubeObject['metadata'] };
}

/** Made once, it stays the same one until it is removed. */
function identified(
  object: KubeObject,
  before: KubeObject | undefined,
  version: number,
): KubeObject {
  const { uid = `uid-${version}`, creationTimestamp = new Date().toISOString() } =
    before?.metadata ?? {};
  return { ...object, metadata: { uid, creationTimestamp, ...object.metadata } };
}

function requireFields(object: KubeObject, before: KubeObject | undefined): void {
  const [problem] = fieldProblems(object, before);
  if (problem === undefined) return;
  throw new Refused(400, 'BadRequest', `strict decoding error: ${problem}`);
}

/** Nobody writes a Revision; of one that is there only the metadata changes. */
function fieldProblems(object: KubeObject, before: KubeObject | undefined): readonly string[] {
  if (object.kind !== 'Revision') return schemaProblems([object as unknown as Manifest]);
  const isMade = isEqual(omit(object, 'metadata'), omit(before ?? {}, 'metadata'));
  return isMade ? [] : ['a Revision is made by Knative alone'];
}

/** RFC 7386. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged = new Map(Object.entries(isRecord(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, mergePatch(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}

function without(now: unknown, before: Json | undefined, next: Json): unknown {
  if (before === undefined || !isRecord(now)) return now;
  const left = new Map(Object.entries(now));
  for (const [name, value] of Object.entries(before)) {
    const nextValue = next[name];
    if (!(name in next)) left.delete(name);
    else if (isRecord(value) && isRecord(nextValue)) {
      left.set(name, without(left.get(name), value, nextValue));
    }
  }
  return Object.fromEntries(left);
}

function withoutVersion(object: KubeObject): object {
  return { ...object, metadata: omit(object.metadata, 'resourceVersion') };
}

function omit(object: object, name: string): object {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
}

function isEqual(one: unknown, other: unknown): boolean {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).map(([name, one]) => [name, sorted(one)] as const);
  return Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
