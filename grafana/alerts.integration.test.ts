// An alert from its cause to those who are called: a real Prometheus with our rules, a real
// Alertmanager with our configuration, the relay, and local receivers.

import { createHmac } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMetrics } from '#functions/purchase/metrics.ts';
import { choosePort } from '#knative/local/ports.ts';
import { close, createReadiness, listen } from '#lib/http/serve.ts';
import { createRegistry, serveMetrics } from '#lib/telemetry/metrics.ts';
import { until } from '#lib/testing/runtime.ts';
import { runbookOf } from './dashboards/alerts.ts';
import { createApp } from './dingtalk/app.ts';
import { type Alertmanager, startAlertmanager } from './testing/alertmanager.ts';
import { type Prometheus, startPrometheus } from './testing/prometheus.ts';
import { type Mailbox, startMailbox, startWebhook, type Webhook } from './testing/receivers.ts';

const secret = 'SEC-of-a-robot';
let mailbox: Mailbox;
let slack: Webhook;
let robot: Webhook;
let alertmanager: Alertmanager;
let prometheus: Prometheus;
const stops: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  mailbox = await startMailbox();
  slack = await startWebhook('ok');
  robot = await startWebhook('{"errcode":0,"errmsg":"ok"}');
  const log = pino({ level: 'silent' });
  const relay = createApp({
    url: `${robot.url}/robot/send?access_token=token-of-a-robot`,
    ...{ secret, readiness: createReadiness(), log, now: Date.now },
  });
  const { server, port } = await listen(relay, { host: '127.0.0.1', port: 0, log });
  alertmanager = await startAlertmanager({
    ...{ smtp: mailbox.address, smtpPassword: 'password-of-a-test' },
    slackUrl: `${slack.url}/services/T0/B0/X0`,
    dingtalkRelayUrl: `http://127.0.0.1:${port}/alerts`,
  });
  prometheus = await startPrometheus({ alertmanager: alertmanager.address });
  for (const one of [prometheus, alertmanager, mailbox, slack, robot]) {
    stops.push(() => one.stop());
  }
  stops.push(() => close(server));
}, 180_000);

afterAll(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** An instance of purchase whose reconciliation has found units that were sold twice. */
async function startOversold(): Promise<string> {
  const registry = createRegistry('purchase');
  const { countReconciliation } = createMetrics(registry, () => 'normal');
  countReconciliation({
    ...{ productId: 'phone', ok: false, oversold: 2, lost: 0, deep: true, dryRun: false },
    ...{ generation: 1, orders: 5, rows: 5, lag: { 'persist-order': 0, 'update-rank': 0 } },
    ...{ warnings: [], waiting: [], differences: [] },
  });
  const at = { host: '127.0.0.1', port: await choosePort() };
  const server = await serveMetrics(registry, at);
  stops.unshift(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a broken promise reaches mail, Slack and DingTalk in their formats', async () => {
  prometheus.scrape([{ targets: [await startOversold()], labels: { instance: 'purchase' } }]);
  const first = <T>(list: readonly T[]) => Promise.resolve(list[0]);
  const post = await until('a post to Slack', 60_000, () => first(slack.posts));
  const message = await until('a message to DingTalk', 30_000, () => first(robot.posts));
  const mail = await until('a mail', 30_000, () => first(mailbox.mails));
  const runbook = runbookOf('SeckillOversold');

  // https://api.slack.com/messaging/webhooks
  expect(post.path).toBe('/services/T0/B0/X0');
  expect(post.headers['content-type']).toContain('application/json');
  expect(post.body).toMatchObject({
    channel: '#seckill',
    attachments: [
      {
        title: '[FIRING] SeckillOversold',
        text: expect.stringContaining(`<${runbook}|what to do>`) as string,
        color: 'danger',
      },
    ],
  });

  // https://open.dingtalk.com/document/robots/custom-robot-access
  const { pathname, searchParams } = new URL(message.path, robot.url);
  expect([pathname, searchParams.get('access_token')]).toEqual(['/robot/send', 'token-of-a-robot']);
  const timestamp = searchParams.get('timestamp') ?? '';
  expect(Math.abs(Date.now() - Number(timestamp))).toBeLessThan(3_600_000);
  const sign = createHmac('sha256', secret).update(`${timestamp}\n${secret}`).digest('base64');
  expect(searchParams.get('sign')).toBe(sign);
  expect(message.headers['content-type']).toBe('application/json');
  expect(message.body).toMatchObject({
    msgtype: 'markdown',
    markdown: {
      title: '[FIRING] SeckillOversold',
      text: expect.stringContaining(`[what to do](${runbook})`) as string,
    },
    at: { isAtAll: true },
  });

  expect(Buffer.from(mail.login, 'base64').toString()).toBe(
    '\0alerts@seckill.example\0password-of-a-test',
  );
  expect(mail).toMatchObject({
    from: expect.stringContaining('<alerts@seckill.example>') as string,
    to: expect.stringContaining('<operators@seckill.example>') as string,
    text: expect.stringMatching(/^Subject: \[FIRING\] SeckillOversold$/m) as string,
  });
  expect(mail.text.replaceAll(/=\r?\n/g, '')).toContain(runbook);
}, 150_000);

test('what an instance hands over is the series of its scrapes', async () => {
  // Nothing scrapes this one between its beginning and its end.
  const { createHandOver } = await import('#lib/telemetry/hand-over.ts');
  const registry = createRegistry('purchase');
  const { countPublished } = createMetrics(registry, () => 'hot');
  const said: unknown[] = [];
  const log = pino({}, { write: (line: string) => said.push(line) });
  const handOver = createHandOver({
    ...{ registry, log, url: prometheus.pushUrl, instance: 'purchase-short' },
  });
  await handOver.arrived();
  countPublished('phone', ['{"orders":[{"orderId":"a","userId":"b","quantity":3}]}']);
  await handOver.leaving();
  countPublished('phone', ['{"orders":[{"orderId":"c","userId":"b","quantity":2}]}']);
  await handOver.left();
  expect(said).toEqual([]);
  const of = '{job="seckill",function="purchase",instance="purchase-short",class="hot"}';
  const value = async (query: string) => (await prometheus.query(query))[0]?.value;
  expect(await value(`seckill_accepted_units_total${of}`)).toBe(5);
  expect(await value(`sum(last_over_time(seckill_accepted_orders_total${of}[5m]))`)).toBe(2);
  // It began at zero, so that it has risen.
  expect(await value(`min_over_time(seckill_accepted_units_total${of}[5m])`)).toBe(0);
  expect(await value(`resets(seckill_accepted_units_total${of}[5m])`)).toBe(0);

  // An instance that is scraped, and hands over between two scrapes.
  const port = await choosePort();
  const server = await serveMetrics(registry, { host: '127.0.0.1', port });
  prometheus.scrape([{ targets: [`127.0.0.1:${port}`], labels: { instance: 'purchase-short' } }]);
  const up = `count_over_time(up{instance="purchase-short"}[5m])`;
  await until('two scrapes', 60_000, async () => {
    const [scrapes] = await prometheus.query(up);
    return (scrapes?.value ?? 0) >= 2 ? true : undefined;
  });
  server.close();
  countPublished('phone', ['{"orders":[{"orderId":"d","userId":"b","quantity":7}]}']);
  await handOver.left();
  expect(said).toEqual([]);
  const series = `count(last_over_time(seckill_accepted_units_total${of}[5m]))`;
  expect([
    await value(series),
    await value(`max_over_time(seckill_accepted_units_total${of}[5m])`),
  ]).toEqual([1, 12]);
}, 120_000);
