// Where the API server serves which kind, by its own discovery: so any object of any manifest has
// its path, and a kind that the cluster lacks is told as that.

import { KubeError } from './errors.ts';
import type { KubeKind } from './kinds.ts';
import type { Transport } from './transport.ts';

/** Where something is: its path, and the words of access control. */
export interface Place {
  readonly path: string;
  readonly resource: string;
  readonly namespace: string | undefined;
}

interface Resource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export interface Discovery {
  /** Of one object, or of all of a kind; namespace `*` is all of them. Throws KubeError NoKind. */
  placeOf(kind: KubeKind, namespace: string, name?: string): Promise<Place>;
  serves(kind: KubeKind): Promise<boolean>;
}

/** Each version of a group is asked for once. */
export function createDiscovery(transport: Pick<Transport, 'ask'>): Discovery {
  const discovered = new Map<string, Promise<readonly Resource[]>>();

  /** Nothing where the cluster has not got that version of that group. */
  function resourcesOf(apiVersion: string): Promise<readonly Resource[]> {
    const known = discovered.get(apiVersion);
    if (known !== undefined) return known;
    const path = rootOf(apiVersion);
    const asked = transport.ask({ verb: 'get', resource: path, path }).then(
      (list) => (list as { resources: Resource[] }).resources,
      (error: unknown) => {
        discovered.delete(apiVersion);
        if (error instanceof KubeError && error.code === 404) return [];
        throw error;
      },
    );
    discovered.set(apiVersion, asked);
    return asked;
  }

  async function find({ apiVersion, kind }: KubeKind): Promise<Resource | undefined> {
    const resources = await resourcesOf(apiVersion);
    return resources.find((one) => one.kind === kind && !one.name.includes('/'));
  }

  return {
    async placeOf(kind, namespace, name) {
      const resource = await find(kind);
      if (resource === undefined) throw unknownKind(kind);
      const [group] = kind.apiVersion.includes('/') ? kind.apiVersion.split('/') : [];
      const isInside = resource.namespaced && namespace !== '*';
      const one = name === undefined ? '' : `/${encodeURIComponent(name)}`;
      const inside = isInside ? `/namespaces/${namespace}` : '';
      return {
        path: `${rootOf(kind.apiVersion)}${inside}/${resource.name}${one}`,
        resource: group === undefined ? resource.name : `${resource.name}.${group}`,
        namespace: isInside ? namespace : undefined,
      };
    },
    async serves(kind) {
      return (await find(kind)) !== undefined;
    },
  };
}

function rootOf(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function unknownKind({ apiVersion, kind }: KubeKind): KubeError {
  const [group = ''] = apiVersion.split('/');
  const part = group.startsWith('serving.') ? 'Serving' : 'Eventing';
  const hint = group.endsWith('knative.dev') ? `. Is Knative ${part} installed?` : '';
  return new KubeError(`this cluster does not know ${kind} of ${apiVersion}${hint}`, 404, 'NoKind');
}
