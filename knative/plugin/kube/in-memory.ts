// For tests: a cluster in memory, as far as `Kube` shows it. It keeps what is applied, counts its
// versions, and says no where a test wants it to.

import { type Kube, KubeError, type KubeObject, type KubeRef } from './client.ts';

export interface InMemory extends Kube {
  /** Everything there is; what a test puts here was there before. */
  readonly objects: KubeObject[];
  /** `verb kind name`, of changes only. */
  readonly changes: string[];
  /** What a controller would do after a change of such an object. */
  onChange: (object: KubeObject) => KubeObject;
  /** Throws what the API server would say, to `verb kind name`. */
  refuse: (asked: string) => KubeError | undefined;
}

export function clusterInMemory(...objects: KubeObject[]): InMemory {
  let version = 0;
  const changes: string[] = [];
  const at = (ref: KubeRef) =>
    objects.findIndex(
      ({ apiVersion, kind, metadata }) =>
        apiVersion === ref.apiVersion && kind === ref.kind && metadata.name === ref.name,
    );
  const check = (verb: string, { kind, name }: { kind: string; name: string }) => {
    const error = cluster.refuse(`${verb} ${kind} ${name}`);
    if (error) throw error;
  };
  const put = (verb: string, object: KubeObject, dryRun = false): KubeObject => {
    check(verb, { kind: object.kind, name: object.metadata.name });
    const index = at({ ...object, name: object.metadata.name });
    const before = objects[index];
    const isSame =
      before !== undefined && JSON.stringify(specOf(before)) === JSON.stringify(specOf(object));
    const resourceVersion = isSame
      ? (before.metadata.resourceVersion ?? '0')
      : String((version += 1));
    const whole = { ...before, ...object, metadata: { ...object.metadata, resourceVersion } };
    const after = cluster.onChange(whole);
    if (dryRun) return whole;
    if (index === -1) objects.push(after);
    else objects[index] = after;
    if (!isSame) changes.push(`${verb} ${object.kind} ${object.metadata.name}`);
    return whole;
  };
  const cluster: InMemory = {
    ...{ objects, changes, onChange: (object) => object, refuse: () => undefined },
    ...{ namespace: 'seckill', server: 'https://memory', context: 'memory', isInside: false },
    async get<T>(ref: KubeRef) {
      check('get', ref);
      return (await Promise.resolve(objects[at(ref)])) as T | undefined;
    },
    async list<T>(kind: { apiVersion: string; kind: string }) {
      check('list', { ...kind, name: '' });
      const isKind = (object: KubeObject) =>
        object.kind === kind.kind && object.apiVersion === kind.apiVersion;
      return (await Promise.resolve(objects.filter(isKind))) as T[];
    },
    async create<T extends KubeObject>(object: T, { dryRun = false } = {}) {
      const known = at({ ...object, name: object.metadata.name }) !== -1;
      if (known) throw new KubeError('it exists', 409, 'AlreadyExists');
      return (await Promise.resolve(put('create', object, dryRun))) as T;
    },
    async apply<T extends KubeObject>(object: T, { dryRun = false } = {}) {
      return (await Promise.resolve(put('apply', object, dryRun))) as T;
    },
    patch: () => Promise.reject(new Error('not of these tests')),
    async remove(ref) {
      const index = await Promise.resolve(at(ref));
      if (index === -1) return false;
      objects.splice(index, 1);
      changes.push(`remove ${ref.kind} ${ref.name}`);
      return true;
    },
    podText: () => Promise.reject(new Error('not of these tests')),
    proxied: () => Promise.reject(new Error('not of these tests')),
    can: (verb, resource) => Promise.resolve(!cluster.refuse(`can ${verb} ${resource}`)),
    serves: ({ kind }) => Promise.resolve(!cluster.refuse(`serves ${kind}`)),
    version: () => Promise.resolve('v1.34.4'),
    now: () => Promise.resolve(Date.now()),
  };
  return cluster;
}

/** What was applied, without what a controller has added. */
function specOf({ metadata, ...rest }: KubeObject): unknown {
  return [metadata.name, { ...rest, status: undefined }];
}
