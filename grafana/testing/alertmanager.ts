// An Alertmanager of a test's own: our configuration, with the addresses of local receivers.

import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { choosePort } from '#knative/local/ports.ts';
import { startProcess } from '#knative/local/process.ts';
import { findProgram } from '#knative/local/stores/programs.ts';
import { until } from '#lib/testing/runtime.ts';
import { ensureMonitoring } from './programs.ts';

const shipped = resolve(import.meta.dirname, '../alertmanager/alertmanager.yml');

interface Receivers {
  /** `host:port` */
  readonly smtp: string;
  readonly smtpPassword: string;
  readonly slackUrl: string;
  readonly dingtalkRelayUrl: string;
}

export interface Alertmanager {
  /** `host:port` */
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts it; resolves when it answers. */
export async function startAlertmanager(receivers: Receivers): Promise<Alertmanager> {
  await ensureMonitoring();
  const folder = mkdtempSync(join(tmpdir(), 'seckill-alertmanager-'));
  writeFileSync(join(folder, 'smtp-password'), receivers.smtpPassword);
  writeFileSync(join(folder, 'slack-url'), receivers.slackUrl);
  const config = readFileSync(shipped, 'utf8')
    .replace('smtp.seckill.example:587', `${receivers.smtp}\n  smtp_require_tls: false`)
    .replaceAll('/etc/alertmanager/secrets', folder)
    .replace('http://dingtalk-relay:8080/alerts', receivers.dingtalkRelayUrl);
  writeFileSync(join(folder, 'alertmanager.yml'), config);
  const address = `127.0.0.1:${await choosePort()}`;
  const running = await startProcess({
    name: 'alertmanager',
    command: findProgram('prometheus-alertmanager'),
    args: [
      `--config.file=${join(folder, 'alertmanager.yml')}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--cluster.listen-address=',
    ],
    logFile: join(folder, 'log'),
  });
  await until('Alertmanager', 30_000, () =>
    fetch(`http://${address}/-/ready`).then(
      ({ ok }) => (ok ? true : undefined),
      () => undefined,
    ),
  );
  return {
    address,
    stop: async () => {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
