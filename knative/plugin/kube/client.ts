// The Kubernetes side of the plugin: a small client of the API server that reads and writes JSON
// as it is. Writing is strict (unknown fields are refused) and in the name of `kn-seckill`.

import { knowsCluster, loadCredentials } from './credentials.ts';
import { createDiscovery } from './discovery.ts';
import { KubeError } from './errors.ts';
import type { KubeKind, KubeObject, KubeRef, ObjectMeta } from './kinds.ts';
import { createTransport, type Request, type Transport } from './transport.ts';

export { KubeError } from './errors.ts';
export { type Condition, type KubeObject, type KubeRef, kinds } from './kinds.ts';
export { knowsCluster };

/** The field manager of all that the plugin writes. */
export const fieldManager = 'kn-seckill';
export const defaultNamespace = 'seckill';
const pageSize = '500';
const applyType = 'application/apply-patch+yaml';
const mergeType = 'application/merge-patch+json';

/** What the command line says about the cluster. */
export interface KubeOptions {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
  /** Aborted by Ctrl-C. */
  readonly interrupted?: AbortSignal | undefined;
}

export interface ListOptions {
  readonly labels?: Readonly<Record<string, string>> | string;
  /** Of fields, as `kubectl --field-selector` takes them. */
  readonly fields?: string;
  /** Another namespace than the client's; `*` is all of them. */
  readonly namespace?: string;
}

export interface WriteOptions {
  /** Nothing is kept, only checked. */
  readonly dryRun?: boolean;
}

export interface RemoveOptions {
  readonly orphans?: boolean;
  /** As it was read: where it has changed since, or is another one, `Conflict` refuses. */
  readonly only?: Pick<ObjectMeta, 'uid' | 'resourceVersion'>;
}

/** A port of a pod, or of a Service, behind the API server. */
export interface Proxied {
  readonly pod?: string;
  readonly service?: string;
  readonly port: number;
  /** With its slash, and its query. */
  readonly path: string;
  readonly namespace?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** Every method throws KubeError where the API server refuses or does not answer. */
export interface Kube {
  readonly namespace: string;
  readonly server: string;
  readonly context: string;
  /** Whether the program runs in the cluster itself. */
  readonly isInside: boolean;
  /** Undefined where there is no such object. */
  get<T extends KubeObject>(ref: KubeRef): Promise<T | undefined>;
  list<T extends KubeObject>(kind: KubeKind, options?: ListOptions): Promise<T[]>;
  create<T extends KubeObject>(object: T, options?: WriteOptions): Promise<T>;
  /** Server-side apply: makes the object, or the fields that are said of it. */
  apply<T extends KubeObject>(object: T, options?: WriteOptions): Promise<T>;
  /**
   * A JSON merge patch. With `metadata.resourceVersion` it is refused as `Conflict` where the
   * object has changed since.
   */
  patch<T extends KubeObject>(ref: KubeRef, patch: object, options?: WriteOptions): Promise<T>;
  /** Whether it was there. What it owns goes with it, in the background, or stays as `orphans`. */
  remove(ref: KubeRef, options?: RemoveOptions): Promise<boolean>;
  /** The text at a port of a pod, through the API server; throws where that is no success. */
  podText(where: { pod: string; port: number; path: string }): Promise<string>;
  /** Whatever answers at that port, through the API server. */
  proxied(where: Proxied): Promise<{ readonly status: number; readonly text: string }>;
  /** Whether the caller may; `resource` as in `kubectl auth can-i`, like `pods/proxy`. */
  can(verb: string, resource: string, namespace?: string): Promise<boolean>;
  /** Whether the cluster serves that kind at all. */
  serves(kind: KubeKind): Promise<boolean>;
  /** Of Kubernetes, like `v1.34.1`. */
  version(): Promise<string>;
  /** By the API server's clock, epoch milliseconds, to half a second; undefined: it doesn't say. */
  now(): Promise<number | undefined>;
}

/** Reads the configuration; asks nothing yet. Throws CliError where no cluster is known. */
export async function connectKube(
  options: KubeOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Kube> {
  const credentials = await loadCredentials(options, env);
  const { server, context, isInside } = credentials;
  const transport = createTransport(credentials, options.interrupted);
  const namespace = options.namespace ?? defaultNamespace;
  return {
    ...{ namespace, server, context, isInside },
    ...objectsOf(transport, namespace),
    ...othersOf(transport, namespace),
  };
}

type Objects = Pick<Kube, 'get' | 'list' | 'create' | 'apply' | 'patch' | 'remove' | 'serves'>;

function objectsOf(transport: Transport, namespace: string): Objects {
  const ask = (request: Request) => transport.ask(request);
  const discovery = createDiscovery(transport);
  const place = (ref: KubeRef) => discovery.placeOf(ref, ref.namespace ?? namespace, ref.name);

  return {
    serves: (kind) => discovery.serves(kind),
    async get<T>(ref: KubeRef) {
      return (await absentIs404(ask({ verb: 'get', ...(await place(ref)) }))) as T | undefined;
    },
    async list<T>(kind: KubeKind, options: ListOptions = {}) {
      const where = await discovery.placeOf(kind, options.namespace ?? namespace);
      const query = { labelSelector: selectorOf(options.labels), fieldSelector: options.fields };
      const items: unknown[] = [];
      for (let next: string | undefined = ''; next !== undefined; ) {
        const from = { ...query, limit: pageSize, continue: next };
        const page = (await ask({ verb: 'list', ...where, query: from })) as ObjectList;
        // The items of a list don't say what they are.
        items.push(...page.items.map((item) => ({ ...kind, ...item })));
        next = page.metadata?.continue || undefined;
      }
      return items as T[];
    },
    async create<T extends KubeObject>(object: T, options: WriteOptions = {}) {
      const where = await discovery.placeOf(object, object.metadata.namespace ?? namespace);
      return (await ask({ verb: 'create', ...where, body: object, query: write(options) })) as T;
    },
    async apply<T extends KubeObject>(object: T, options: WriteOptions = {}) {
      const where = await place(refOf(object));
      const query = { ...write(options), force: 'true' };
      return (await ask({ verb: 'patch', ...where, body: object, type: applyType, query })) as T;
    },
    async patch<T>(ref: KubeRef, patch: object, options: WriteOptions = {}) {
      const request = { body: patch, type: mergeType, query: write(options) };
      return (await ask({ verb: 'patch', ...(await place(ref)), ...request })) as T;
    },
    async remove(ref, { orphans, only } = {}) {
      const body = {
        ...{ kind: 'DeleteOptions', apiVersion: 'v1' },
        propagationPolicy: orphans === true ? 'Orphan' : 'Background',
        ...(only && {
          preconditions: { uid: only.uid, resourceVersion: only.resourceVersion },
        }),
      };
      const removed = ask({ verb: 'delete', ...(await place(ref)), body });
      return (await absentIs404(removed)) !== undefined;
    },
  };
}

type Others = Pick<Kube, 'podText' | 'proxied' | 'can' | 'version' | 'now'>;

function othersOf(transport: Transport, namespace: string): Others {
  return {
    async podText(where) {
      const { status, text } = await transport.proxied({ namespace, ...where });
      if (status === 200) return text;
      const address = `${where.pod}:${where.port}${where.path}`;
      throw new KubeError(`${address} answered ${status}`, status, 'PodAnswer');
    },
    proxied: (where) => transport.proxied({ namespace, ...where }),
    async can(verb, what, where = namespace) {
      const [, resource, group, subresource] =
        /^([^./]+)(?:\.([^/]+))?(?:\/(.+))?$/.exec(what) ?? [];
      const answer = (await transport.ask({
        ...{ verb: 'create', resource: 'selfsubjectaccessreviews.authorization.k8s.io' },
        path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        body: {
          ...{ apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview' },
          spec: {
            resourceAttributes: { verb, resource, group, subresource, namespace: where },
          },
        },
      })) as { status?: { allowed?: boolean } };
      return answer.status?.allowed === true;
    },
    async version() {
      const answer = await transport.ask({ verb: 'get', resource: '/version', path: '/version' });
      return (answer as { gitVersion: string }).gitVersion;
    },
    now: () => transport.now(),
  };
}

interface ObjectList {
  readonly items: readonly object[];
  readonly metadata?: { readonly continue?: string };
}

/** What names an object that is written down whole. */
export function refOf({ apiVersion, kind, metadata }: KubeObject): KubeRef {
  return { apiVersion, kind, name: metadata.name, namespace: metadata.namespace };
}

function write({ dryRun }: WriteOptions): Record<string, string | undefined> {
  return { fieldManager, fieldValidation: 'Strict', ...(dryRun === true ? { dryRun: 'All' } : {}) };
}

function selectorOf(labels: ListOptions['labels']): string | undefined {
  if (labels === undefined || typeof labels === 'string') return labels;
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

/** A missing object, not a missing kind. */
async function absentIs404<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof KubeError && error.code === 404 && error.reason === 'NotFound') {
      return undefined;
    }
    throw error;
  }
}
