// The local runtime as something to look at: the instances of each function, on this machine.

import type { Standing } from '#functions/purchase/standing.ts';
import type { ProcessEntry } from '#knative/local/state.ts';
import { standingPath } from '#lib/names.ts';
import { parseExposition, type Series } from './exposition.ts';
import { type FunctionName, functionNames, type Instance, type Look, type Source } from './look.ts';

export interface LocalSystem {
  readonly folder: string;
  readonly processes: readonly ProcessEntry[];
}

const timeoutMs = 4_000;

type FunctionProcess = ProcessEntry & { readonly kind: FunctionName };

export function localSource({ folder, processes }: LocalSystem, interrupted: AbortSignal): Source {
  const ofFunctions = processes.filter((one): one is FunctionProcess =>
    functionNames.some((name) => name === one.kind),
  );
  const wanted = Object.fromEntries(
    functionNames.map((name) => [name, ofFunctions.filter(({ kind }) => kind === name).length]),
  ) as Record<FunctionName, number>;

  const get = async (name: string, port: number | undefined, path: string): Promise<Response> => {
    const signal = AbortSignal.any([interrupted, AbortSignal.timeout(timeoutMs)]);
    const response = await fetch(`http://127.0.0.1:${port ?? 0}${path}`, { signal });
    if (response.ok) return response;
    await response.body?.cancel();
    throw new Error(`${name} answered ${response.status}`);
  };

  async function lookAt({ kind, name, port, metricsPort }: FunctionProcess) {
    const [isReady, text] = await Promise.all([
      get(name, port, '/readyz').then(
        async ({ body }) => (await body?.cancel(), true),
        () => false,
      ),
      get(name, metricsPort, '/metrics').then(
        (response) => response.text(),
        () => undefined,
      ),
    ]);
    if (!isReady && text === undefined) return undefined;
    const state = isReady ? 'ready' : 'starting';
    const series: readonly Series[] | undefined = text === undefined ? text : parseExposition(text);
    const found: Instance = {
      ...{ function: kind, id: name, name, node: 'this machine', state, restarts: 0 },
      ...{ trouble: undefined, series },
    };
    return found;
  }

  /** Of the first instance of purchase that tells. */
  async function standingOfAny(): Promise<Standing | undefined> {
    const asked = ofFunctions
      .filter(({ kind }) => kind === 'purchase')
      .map(async ({ name, metricsPort }) => {
        const response = await get(name, metricsPort, standingPath);
        return (await response.json()) as Standing;
      });
    return Promise.any(asked).catch(() => undefined);
  }

  return {
    title: `the local runtime in ${folder}`,
    async look(): Promise<Look> {
      const [instances, standing] = await Promise.all([
        Promise.all(ofFunctions.map(lookAt)),
        standingOfAny(),
      ]);
      interrupted.throwIfAborted();
      return {
        atMs: Date.now(),
        instances: instances.filter((one) => one !== undefined),
        ...{ wanted, standing },
        planned: [],
        lostWarmth: [],
        notes: [],
      };
    },
  };
}
