// What is read by Prometheus and Alertmanager themselves, checked by their own tools.

import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { findProgram } from '#knative/local/stores/programs.ts';
import { until } from '#lib/testing/runtime.ts';
import { ensureMonitoring } from './testing/programs.ts';
import { type Prometheus, startPrometheus } from './testing/prometheus.ts';

const grafana = import.meta.dirname;

/** What the tool says; rejects with it where the tool fails. */
async function run(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(findProgram(program), args, {
    cwd: grafana,
  });
  return stdout + stderr;
}

beforeAll(async () => {
  await ensureMonitoring();
}, 180_000);

test('promtool takes the rules and the configuration', async () => {
  await expect(run('promtool', 'check', 'rules', 'alerts/rules.yml')).resolves.toContain('SUCCESS');
  const checked = run('promtool', 'check', 'config', 'prometheus/prometheus.yml');
  await expect(checked).resolves.toContain('SUCCESS: 1 rule files found');
});

test('each alert fires, and stays silent, as its cases say', async () => {
  const tested = run('promtool', 'test', 'rules', 'alerts/rules.test.yml');
  await expect(tested).resolves.toContain('SUCCESS');
});

test('a threshold that is changed fails its cases', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-rules-'));
  try {
    cpSync(join(grafana, 'alerts'), folder, { recursive: true });
    const file = join(folder, 'rules.yml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('> 0.3', '> 0.5'));
    const tested = run('promtool', 'test', 'rules', join(folder, 'rules.test.yml'));
    await expect(tested).rejects.toThrow('promtool');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('amtool takes who is called', async () => {
  const checked = run('amtool', 'check-config', 'alertmanager/alertmanager.yml');
  await expect(checked).resolves.toContain('2 receivers');
});

let prometheus: Prometheus | undefined;
afterAll(async () => {
  await prometheus?.stop();
});

interface ScrapeConfig {
  kubernetes_sd_configs?: unknown;
  file_sd_configs?: unknown;
}

test('in a cluster pods are asked, one target each, under the names they give themselves', async () => {
  // Debian builds Prometheus without Kubernetes: what it would find comes from a file instead.
  const asFound = (config: string) => {
    const text = readFileSync(join(grafana, 'prometheus/kubernetes.yml'), 'utf8');
    const cluster = parse(text) as { scrape_configs: ScrapeConfig[] };
    const ours = parse(config) as typeof cluster;
    const [scrape] = cluster.scrape_configs;
    const [shipped] = ours.scrape_configs;
    expect(scrape?.kubernetes_sd_configs).toMatchObject([{ role: 'pod' }]);
    const found = { ...scrape, file_sd_configs: shipped?.file_sd_configs };
    delete found.kubernetes_sd_configs;
    return stringify({ ...ours, scrape_configs: [found] });
  };
  const started = await startPrometheus({ edit: asFound });
  prometheus = started;
  const container = (name: string, port: number, scraped = 'true') => ({
    targets: [`127.0.0.2:${port}`],
    labels: {
      __meta_kubernetes_pod_name: 'purchase-00001-deployment-abc',
      __meta_kubernetes_pod_ip: '127.0.0.2',
      __meta_kubernetes_pod_container_name: name,
      __meta_kubernetes_pod_annotation_prometheus_io_scrape: scraped,
      __meta_kubernetes_pod_annotation_prometheus_io_port: '9464',
      __meta_kubernetes_pod_annotation_prometheus_io_path: '/metrics',
    },
  });
  started.scrape([
    container('purchase', 8_080),
    container('queue-proxy', 8_012),
    container('queue-proxy', 9_091),
    container('kn-seckill', 8_080, ''),
  ]);
  const targets = await until('a target', 30_000, async () => {
    const { activeTargets } = (await started.api('targets')) as { activeTargets: unknown[] };
    return activeTargets.length > 0 ? activeTargets : undefined;
  });
  expect(targets).toMatchObject([
    {
      scrapeUrl: 'http://127.0.0.2:9464/metrics',
      labels: { job: 'seckill', instance: 'purchase-00001-deployment-abc' },
    },
  ]);
  expect(targets).toHaveLength(1);
}, 90_000);
