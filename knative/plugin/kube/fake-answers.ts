// For tests: how a fake API server answers. It knows the paths, verbs and parameters that the
// plugin is to use, and no others; rights by rule, pages, conflicts, and what its proxy reaches.

import type { IncomingMessage } from 'node:http';
import { admitKnative } from './fake-admission.ts';
import {
  createObjects,
  type Json,
  type Key,
  type Objects,
  type Preconditions,
  Refused,
} from './fake-objects.ts';
import type { KubeKind, KubeObject } from './kinds.ts';

export const fakeUser = 'olga';
export const fakeToken = 'a token of the fake API server';

/** All it serves; of another group or version it knows nothing. */
const resources: readonly (KubeKind & { plural: string; isClusterWide?: true })[] = [
  { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps' },
  { apiVersion: 'v1', kind: 'Event', plural: 'events' },
  { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', isClusterWide: true },
  { apiVersion: 'v1', kind: 'Node', plural: 'nodes', isClusterWide: true },
  { apiVersion: 'v1', kind: 'Pod', plural: 'pods' },
  { apiVersion: 'v1', kind: 'Secret', plural: 'secrets' },
  { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments' },
  { apiVersion: 'batch/v1', kind: 'CronJob', plural: 'cronjobs' },
  { apiVersion: 'batch/v1', kind: 'Job', plural: 'jobs' },
  { apiVersion: 'serving.knative.dev/v1', kind: 'Service', plural: 'services' },
  { apiVersion: 'serving.knative.dev/v1', kind: 'Revision', plural: 'revisions' },
  { apiVersion: 'sources.knative.dev/v1', kind: 'PingSource', plural: 'pingsources' },
  { apiVersion: 'sources.knative.dev/v1', kind: 'KafkaSource', plural: 'kafkasources' },
];

/** A request as access control sees it. */
export interface Made {
  readonly verb: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string | undefined;
  readonly body: Json | undefined;
}

export type ProxyHandler = (
  path: string,
  headers: Readonly<Record<string, unknown>>,
) => { readonly status: number; readonly text: string };

export interface State {
  readonly objects: Objects;
  readonly requests: Made[];
  readonly faults: string[];
  readonly forbidden: { verb: string; resource: string; namespace: string | undefined }[];
  readonly acts: { verb: string; resource: string; act: (made: Made) => void }[];
  readonly proxies: Map<string, ProxyHandler>;
  readonly lacking: Set<string>;
  pageSize: number;
  /** How far its clock is ahead of the one here. */
  aheadMs: number;
}

export function createState(): State {
  return {
    objects: createObjects(admitKnative),
    ...{ requests: [], faults: [], forbidden: [], acts: [] },
    ...{ proxies: new Map(), lacking: new Set(), pageSize: 500, aheadMs: 0 },
  };
}

export function keyOf({ apiVersion, kind }: KubeKind, name: string, namespace = 'seckill'): Key {
  const found = resources.find((one) => one.apiVersion === apiVersion && one.kind === kind);
  if (found === undefined) throw new Error(`the fake API server has no ${kind} of ${apiVersion}`);
  const where = found.isClusterWide ? '' : namespace;
  return { resource: resourceOf(found.plural, apiVersion), namespace: where, name };
}

function resourceOf(plural: string, apiVersion: string): string {
  return apiVersion.includes('/') ? `${plural}.${apiVersion.split('/')[0] ?? ''}` : plural;
}

interface Answer {
  readonly code: number;
  readonly type?: string;
  readonly text: string;
}

/** Carries one request out. */
export async function answer(request: IncomingMessage, state: State): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  try {
    if (request.headers.authorization !== `Bearer ${fakeToken}`) {
      throw new Refused(401, 'Unauthorized', 'Unauthorized');
    }
    const url = new URL(request.url ?? '', 'http://fake');
    return route(request, url, text, state);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return json({ ...statusOf(error) }, error.code);
  }
}

function statusOf({ code, reason, message }: Refused): Json {
  const metadata = {};
  return { kind: 'Status', apiVersion: 'v1', metadata, status: 'Failure', message, reason, code };
}

function json(value: unknown, code = 200): Answer {
  return { code, text: JSON.stringify(value) };
}

const objectPath =
  /^\/(?:api\/(v1)|apis\/([^/]+\/[^/]+))(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?$/;
const proxyPath = /^\/api\/v1\/namespaces\/([^/]+)\/((pods|services)\/[^/]+)\/proxy(\/.*)$/;
const reviewPath = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';

function route(request: IncomingMessage, url: URL, text: string, state: State): Answer {
  const { pathname } = url;
  const body = text === '' ? undefined : (JSON.parse(text) as Json);
  if (pathname === '/version') return json({ gitVersion: 'v1.34.4' });
  if (pathname === reviewPath) return json(review(body, state), 201);
  const [, core, group] = /^\/(?:api\/(v1)|apis\/([^/]+\/[^/]+))$/.exec(pathname) ?? [];
  const apiVersion = core ?? group;
  if (apiVersion !== undefined) return json(discovery(apiVersion, state));
  const proxied = proxyPath.exec(pathname);
  if (proxied !== null) return proxy(proxied, url.search, request, state);
  const [, v1, other, namespace, plural = '', name] = objectPath.exec(pathname) ?? [];
  const version = v1 ?? other ?? '';
  const kind = resources.find((one) => one.apiVersion === version && one.plural === plural);
  if (kind === undefined || state.lacking.has(version)) {
    state.faults.push(`${request.method ?? ''} ${pathname} is no path of the fake API server`);
    throw new Refused(404, 'NotFound', 'the server could not find the requested resource');
  }
  const resource = resourceOf(plural, version);
  const where = namespace ?? (kind.isClusterWide ? '' : '*');
  const verb = verbOf(request, name, state);
  const made = { verb, resource, namespace: where, name, body };
  allow(made, state);
  return json(
    carryOut(made, kind, request, url.searchParams, state),
    verb === 'create' ? 201 : 200,
  );
}

function verbOf(request: IncomingMessage, name: string | undefined, state: State): string {
  const verbs: Readonly<Record<string, string>> = {
    ...{ GET: name === undefined ? 'list' : 'get', POST: 'create', PATCH: 'patch' },
    DELETE: 'delete',
  };
  const verb = verbs[request.method ?? ''] ?? 'none';
  const needsName = !['list', 'create'].includes(verb);
  if (needsName !== (name !== undefined)) state.faults.push(`${verb} with name ${String(name)}`);
  if (request.headers.accept !== 'application/json') state.faults.push(`${verb} wants no JSON`);
  return verb;
}

/** Notes the request, lets others act before it, and refuses what is forbidden. */
function allow(made: Made, state: State): void {
  const { verb, resource, namespace } = made;
  state.requests.push(made);
  for (const one of state.acts) {
    if (one.verb === verb && one.resource === resource) one.act(made);
  }
  if (mayNot(verb, resource, namespace, state)) {
    const [plural, group = ''] = resource.split(/\.(.*)/s);
    const of = `resource "${plural ?? ''}" in API group "${group}" in the namespace "${namespace}"`;
    throw new Refused(
      ...([403, 'Forbidden'] as const),
      `${resource} is forbidden: User "${fakeUser}" cannot ${verb} ${of}`,
    );
  }
}

function mayNot(verb: string, resource: string, namespace: string, state: State): boolean {
  return state.forbidden.some(
    (rule) =>
      (rule.verb === verb || rule.verb === '*') &&
      rule.resource === resource &&
      (rule.namespace === undefined || rule.namespace === namespace),
  );
}

const parameters: Readonly<Record<string, readonly string[]>> = {
  get: [],
  list: ['labelSelector', 'fieldSelector', 'limit', 'continue'],
  create: ['fieldManager', 'fieldValidation', 'dryRun'],
  patch: ['fieldManager', 'fieldValidation', 'dryRun', 'force'],
  delete: [],
};

function carryOut(
  { verb, resource, namespace, name = '', body }: Made,
  kind: KubeKind,
  request: IncomingMessage,
  query: URLSearchParams,
  state: State,
): unknown {
  const { objects } = state;
  for (const parameter of query.keys()) {
    if (!parameters[verb]?.includes(parameter)) state.faults.push(`${verb} knows no ${parameter}`);
  }
  const isWrite = verb === 'create' || verb === 'patch';
  if (isWrite && query.get('fieldManager') === null) state.faults.push(`${verb} by nobody`);
  if (isWrite && query.get('fieldValidation') !== 'Strict') state.faults.push(`${verb} is lax`);
  const key = { resource, namespace, name };
  const dryRun = query.get('dryRun') === 'All';
  if (verb === 'get') return objects.get(key);
  if (verb === 'list') return page(objects.list(resource, namespace), query, state);
  if (verb === 'delete') {
    if (body?.['kind'] !== 'DeleteOptions') state.faults.push('delete without DeleteOptions');
    return objects.remove(key, body?.['preconditions'] as Preconditions | undefined);
  }
  const object = body as unknown as KubeObject;
  if (verb === 'create') {
    return objects.create({ ...key, name: named(object, kind) }, object, dryRun);
  }
  const type = request.headers['content-type'];
  if (type === 'application/merge-patch+json') return objects.merge(key, body ?? {}, dryRun);
  if (type !== 'application/apply-patch+yaml') state.faults.push(`patch as ${String(type)}`);
  if (named(object, kind) !== name) throw new Refused(400, 'BadRequest', 'the names differ');
  return objects.apply(key, object, dryRun);
}

function named(object: KubeObject, { apiVersion, kind }: KubeKind): string {
  if (object.apiVersion === apiVersion && object.kind === kind) return object.metadata.name;
  throw new Refused(400, 'BadRequest', `the object is ${object.kind} of ${object.apiVersion}`);
}

function page(all: readonly KubeObject[], query: URLSearchParams, state: State): unknown {
  const fits = all.filter(
    (object) =>
      selects(query.get('labelSelector'), (name) => object.metadata.labels?.[name]) &&
      selects(query.get('fieldSelector'), (path) => fieldOf(object, path)),
  );
  const from = Number(query.get('continue') ?? 0);
  const to = from + Math.min(state.pageSize, Number(query.get('limit') ?? 500));
  // As the real one: what an item is, the list says.
  const items = fits
    .slice(from, to)
    .map((object) => ({ ...object, apiVersion: undefined, kind: undefined }));
  return { items, metadata: to < fits.length ? { continue: String(to) } : {} };
}

/** `a=b,c in (d,e)`; nothing else is understood. */
function selects(selector: string | null, of: (name: string) => string | undefined): boolean {
  const terms = (selector ?? '').match(/[^,(]+(?:\([^)]*\))?/g) ?? [];
  return terms.every((term) => {
    const [, name, values] = /^(\S+) in \((.*)\)$/.exec(term) ?? [];
    if (name !== undefined) return values?.split(',').includes(of(name) ?? '') === true;
    const [key = '', value] = term.split('=');
    return of(key) === value;
  });
}

function fieldOf(object: unknown, path: string): string | undefined {
  const value = path
    .split('.')
    .reduce<unknown>((at, part) => (at as Json | undefined)?.[part], object);
  return typeof value === 'string' ? value : undefined;
}

function discovery(apiVersion: string, state: State): Json {
  const served = resources.filter((one) => one.apiVersion === apiVersion);
  if (served.length === 0 || state.lacking.has(apiVersion)) {
    throw new Refused(404, 'NotFound', 'the server could not find the requested resource');
  }
  return {
    ...{ kind: 'APIResourceList', groupVersion: apiVersion },
    resources: served.flatMap(({ plural, kind, isClusterWide }) => [
      { name: `${plural}/status`, kind, namespaced: isClusterWide !== true },
      { name: plural, kind, namespaced: isClusterWide !== true },
    ]),
  };
}

function review(body: Json | undefined, state: State): Json {
  const spec = body?.['spec'] as { resourceAttributes: Readonly<Record<string, string>> };
  const { verb = '', resource = '', group, subresource, namespace = '' } = spec.resourceAttributes;
  const whole = [
    resource,
    ...(group ? [`.${group}`] : []),
    ...(subresource ? [`/${subresource}`] : []),
  ];
  const allowed = !mayNot(verb, whole.join(''), namespace, state);
  return { ...body, status: { allowed } };
}

function proxy(
  [, namespace = '', target = '', plural = '', path = '']: RegExpExecArray,
  search: string,
  request: IncomingMessage,
  state: State,
): Answer {
  const resource = `${plural}/proxy`;
  allow({ verb: 'get', resource, namespace, name: target.split('/')[1], body: undefined }, state);
  const handler = state.proxies.get(`${namespace}/${target}`);
  if (handler === undefined) {
    const message = `no endpoints available for service "${target}"`;
    throw new Refused(503, 'ServiceUnavailable', message);
  }
  const { status, text } = handler(`${path}${search}`, request.headers);
  return { code: status, type: 'text/plain', text };
}
