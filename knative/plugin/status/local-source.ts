// The local runtime as something to look at: one instance of each function, on this machine.

import type { Standing } from '#functions/purchase/standing.ts';
import { standingPath } from '#lib/names.ts';
import { parseExposition, type Series } from './exposition.ts';
import { functionNames, type Instance, type Look, type Source } from './look.ts';

export interface LocalSystem {
  readonly folder: string;
  /** Of a function, and `<name>:metrics`, on 127.0.0.1. */
  readonly ports: Readonly<Record<string, number>>;
}

const timeoutMs = 4_000;

export function localSource({ folder, ports }: LocalSystem, interrupted: AbortSignal): Source {
  const get = async (name: string, path: string): Promise<Response> => {
    const signal = AbortSignal.any([interrupted, AbortSignal.timeout(timeoutMs)]);
    const response = await fetch(`http://127.0.0.1:${ports[name] ?? 0}${path}`, { signal });
    if (response.ok) return response;
    await response.body?.cancel();
    throw new Error(`${name} answered ${response.status}`);
  };

  async function instance(name: Instance['function']): Promise<Instance | undefined> {
    const [isReady, text] = await Promise.all([
      get(name, '/readyz').then(
        async ({ body }) => (await body?.cancel(), true),
        () => false,
      ),
      get(`${name}:metrics`, '/metrics').then(
        (response) => response.text(),
        () => undefined,
      ),
    ]);
    if (!isReady && text === undefined) return undefined;
    const state = isReady ? 'ready' : 'starting';
    const series: readonly Series[] | undefined = text === undefined ? text : parseExposition(text);
    return {
      ...{ function: name, id: name, name, node: 'this machine', state, restarts: 0 },
      ...{ trouble: undefined, series },
    };
  }

  return {
    title: `the local runtime in ${folder}`,
    async look(): Promise<Look> {
      const [instances, standing] = await Promise.all([
        Promise.all(functionNames.map(instance)),
        get('purchase:metrics', standingPath)
          .then((response) => response.json() as Promise<Standing>)
          .catch(() => undefined),
      ]);
      interrupted.throwIfAborted();
      return {
        atMs: Date.now(),
        instances: instances.filter((one) => one !== undefined),
        wanted: { 'ratelimit-edge': 1, purchase: 1, 'persist-order': 1, 'update-rank': 1 },
        standing,
        planned: [],
        lostWarmth: [],
        notes: [],
      };
    },
  };
}
