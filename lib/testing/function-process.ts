// One function as a process of its own, started from its source, for tests of how it starts,
// says that it is ready, and leaves.

import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { choosePort } from '#knative/local/ports.ts';
import { startProcess } from '#knative/local/process.ts';

export interface FunctionProcess {
  readonly url: string;
  readonly metricsUrl: string;
  readonly pid: number;
  /** Its exit status, once it has ended. */
  readonly exited: Promise<number>;
  /** What it has written to its log so far. */
  log(): string;
  /** The status of `GET path`, or 0 where nobody listens yet. */
  status(path: string): Promise<number>;
  /** Ends it as Kubernetes would: SIGTERM. */
  stop(): Promise<void>;
}

const root = resolve(import.meta.dirname, '../..');

/** Starts `functions/<name>/main.ts` with this environment and ports of its own. */
export async function startFunction(
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<FunctionProcess> {
  const folder = mkdtempSync(join(tmpdir(), `seckill-${name}-`));
  const logFile = join(folder, 'log');
  const [port, metricsPort] = [await choosePort(), await choosePort()];
  const running = await startProcess({
    name,
    command: process.execPath,
    args: [join(root, 'functions', name, 'main.ts')],
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      SECKILL_HOST: '127.0.0.1',
      SECKILL_METRICS_PORT: String(metricsPort),
      ...env,
    },
    logFile,
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    pid: running.pid,
    exited: running.exited,
    log: () => readFileSync(logFile, 'utf8'),
    async status(path) {
      const response = await fetch(url + path).catch(() => undefined);
      await response?.body?.cancel();
      return response?.status ?? 0;
    },
    async stop() {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
