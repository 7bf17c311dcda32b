// For tests: the command line against a fake cluster, with the fake edge behind its route.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { runCli } from '../cli.ts';
import { type FakeEdge, fakeKey, startFakeEdge } from '../fake-edge.ts';
import { type FakeApi, startFakeApi } from './fake-api.ts';
import { createFakeKnative, type FakeKnative } from './fake-knative.ts';
import { kinds } from './kinds.ts';

export interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export interface Kit {
  readonly api: FakeApi;
  readonly knative: FakeKnative;
  readonly edge: FakeEdge;
  readonly kubeconfig: string;
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Ends all; fails where something was asked wrongly. */
  close(): Promise<void>;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly interrupted?: AbortSignal;
}

/** A cluster with the edge, `purchase` and the key, and requests that reach the fake edge. */
export async function startKit(): Promise<Kit> {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-kube-'));
  const [api, edge] = await Promise.all([startFakeApi(), startFakeEdge()]);
  const knative = createFakeKnative(api);
  for (const name of ['ratelimit-edge', 'purchase']) {
    knative.addService({ name, annotations: { 'autoscaling.knative.dev/max-scale': '6' } });
  }
  api.put({
    ...kinds.secret,
    metadata: { name: 'seckill-keys', namespace: 'seckill' },
    ...{ data: { SECKILL_JWT_KEY: Buffer.from(fakeKey).toString('base64') } },
  });
  const kubeconfig = api.kubeconfig(folder);
  return {
    ...{ api, knative, edge, kubeconfig },
    async run(args, { env = {}, interrupted = new AbortController().signal } = {}) {
      let [out, err] = ['', ''];
      const status = await runCli(args, {
        env: {
          ...{ SECKILL_STATE_DIR: folder, HOME: folder, KUBECONFIG: kubeconfig },
          ...{ SECKILL_GATEWAY: edge.url, SECKILL_OPERATOR: 'olga', ...env },
        },
        out: (text) => {
          out += text;
        },
        err: (text) => {
          err += text;
        },
        interrupted,
      });
      return { status, out, err };
    },
    async close() {
      await Promise.all([api.close(), edge.close()]);
      rmSync(folder, { recursive: true, force: true });
      expect([...api.faults, ...edge.faults]).toEqual([]);
    },
  };
}
