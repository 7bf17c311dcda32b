// A Prometheus of a test's own: our configuration and rules, with other targets.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { choosePort } from '#knative/local/ports.ts';
import { startProcess } from '#knative/local/process.ts';
import { findProgram } from '#knative/local/stores/programs.ts';
import { until } from '#lib/testing/runtime.ts';
import { ensureMonitoring } from './programs.ts';

const grafana = resolve(import.meta.dirname, '..');

/** As `file_sd` takes it. */
export interface Target {
  readonly targets: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Prometheus {
  readonly url: string;
  /** Where functions hand their counts over. */
  readonly pushUrl: string;
  /** From now on these are scraped. */
  scrape(targets: readonly Target[]): void;
  /** An instant query; rejects where it is none. */
  query(expression: string): Promise<readonly Sample[]>;
  /** Any answer of the API, its `data`. */
  api(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

interface Options {
  readonly alertmanager?: string;
  /** Changes the text of prometheus.yml. */
  readonly edit?: (config: string) => string;
}

/** Starts it; resolves when it answers. */
export async function startPrometheus({ alertmanager, edit }: Options = {}): Promise<Prometheus> {
  await ensureMonitoring();
  const folder = mkdtempSync(join(tmpdir(), 'seckill-prometheus-'));
  for (const part of ['alerts', 'prometheus']) {
    cpSync(join(grafana, part), join(folder, part), { recursive: true });
  }
  const config = join(folder, 'prometheus/prometheus.yml');
  if (edit !== undefined) writeFileSync(config, edit(readFileSync(config, 'utf8')));
  const write = (name: string, targets: readonly Target[]) => {
    writeFileSync(join(folder, `prometheus/targets/${name}.yml`), stringify(targets));
  };
  write('functions', []);
  write('alertmanager', alertmanager === undefined ? [] : [{ targets: [alertmanager] }]);
  mkdirSync(join(folder, 'data'));
  const port = await choosePort();
  const running = await startProcess({
    name: 'prometheus',
    command: findProgram('prometheus'),
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
    ],
    logFile: join(folder, 'log'),
  });
  const url = `http://127.0.0.1:${port}`;
  const api = async (path: string): Promise<unknown> => {
    const response = await fetch(`${url}/api/v1/${path}`);
    const answer = (await response.json()) as { status: string; error?: string; data?: unknown };
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error ?? ''}`);
    return answer.data;
  };
  await until('Prometheus', 30_000, () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => (ok ? true : undefined),
      () => undefined,
    ),
  );
  return {
    url,
    pushUrl: `${url}/api/v1/write`,
    scrape: (targets) => {
      write('functions', targets);
    },
    api,
    query: async (expression) => {
      const { result } = (await api(`query?query=${encodeURIComponent(expression)}`)) as {
        result: readonly { metric: Record<string, string>; value: [number, string] }[];
      };
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    stop: async () => {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
