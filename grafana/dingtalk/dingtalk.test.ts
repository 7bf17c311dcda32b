import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { createReadiness } from '#lib/http/serve.ts';
import { createApp } from './app.ts';
import { messageOf, type Notification, signedUrl } from './message.ts';
import { messagesMax } from './pace.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

const notification: Notification = {
  version: '4',
  status: 'firing',
  alerts: [
    {
      status: 'firing',
      labels: { alertname: 'SeckillLost', severity: 'critical' },
      annotations: {
        summary: 'Orders are lost',
        description: 'Orders: 3.',
        runbook_url: 'https://example/runbooks.md#seckilllost',
      },
      startsAt: '2026-11-11T00:00:00Z',
    },
  ],
};

test('a message says what is wrong, since when, and what to do', () => {
  expect(messageOf(notification)).toEqual({
    msgtype: 'markdown',
    markdown: {
      title: '[FIRING] SeckillLost',
      text: [
        '### [FIRING] SeckillLost',
        '**Orders are lost**',
        'Orders: 3.',
        'since 2026-11-11T00:00:00Z · [what to do](https://example/runbooks.md#seckilllost)',
      ].join('\n\n'),
    },
    at: { isAtAll: true },
  });
});

test('everybody is called for what is critical and fires, and for nothing else', () => {
  const [alert] = notification.alerts;
  if (alert === undefined) throw new Error('no alert');
  const warning = { ...alert, labels: { ...alert.labels, severity: 'warning' } };
  expect(messageOf({ ...notification, alerts: [warning] }).at.isAtAll).toBe(false);
  const resolved: Notification = {
    ...notification,
    status: 'resolved',
    alerts: [{ ...alert, status: 'resolved' }],
  };
  expect(messageOf(resolved)).toMatchObject({
    markdown: { title: '[RESOLVED] SeckillLost' },
    at: { isAtAll: false },
  });
});

test('a hundred alerts stay within what DingTalk takes', () => {
  const [alert] = notification.alerts;
  const alerts = Array.from({ length: 100 }, () => alert ?? expect.fail('no alert'));
  const { text } = messageOf({ ...notification, alerts }).markdown;
  expect(Buffer.byteLength(text)).toBeLessThan(20_000);
  expect(text).toMatch(/and 80 more$/);
});

test('the signature is the one of the documentation', () => {
  // HMAC-SHA256 of "<timestamp>\n<secret>" by the secret, Base64, URL-encoded; made by openssl.
  const url = 'https://oapi.dingtalk.com/robot/send?access_token=T';
  const signed = new URL(signedUrl(url, 'SEC-of-a-test', 1_577_262_236_757));
  expect(signed.searchParams.get('access_token')).toBe('T');
  expect(signed.searchParams.get('timestamp')).toBe('1577262236757');
  expect(signed.searchParams.get('sign')).toBe('a3iO+2hfqghDPnP9eoCJeESlJHc2JZJr1pxeF/WCpQI=');
  expect(signed.search).not.toMatch(/[+/]|=$/);
  expect(signedUrl(url, undefined, 1)).toBe(url);
});

/** A robot that answers all messages with this. */
async function aRelay(status: number, answer: unknown, now = Date.now) {
  let messages = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      messages += 1;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  let logged = '';
  const lines = new Writable({
    write(chunk: Buffer, _encoding, done) {
      logged += chunk.toString();
      done();
    },
  });
  const app = createApp({
    url: `http://127.0.0.1:${port}/robot/send?access_token=secret-token`,
    ...{ secret: 'SEC', readiness: createReadiness(), log: pino(lines), now },
  });
  const tell = (body: unknown) =>
    app.request('/alerts', { method: 'POST', body: JSON.stringify(body) });
  return { tell, logged: () => logged, messages: () => messages };
}

test('what DingTalk takes is done', async () => {
  const { tell } = await aRelay(200, { errcode: 0, errmsg: 'ok' });
  expect((await tell(notification)).status).toBe(200);
});

test.each([
  ['refuses with 200', 200, { errcode: 310_000, errmsg: 'sign not match' }],
  ['is out of order', 500, 'oops'],
])('what DingTalk %s is to be sent again, and no secret is told', async (_what, status, answer) => {
  const { tell, logged } = await aRelay(status, answer);
  expect((await tell(notification)).status).toBe(502);
  expect(logged()).toContain('DingTalk has not taken a message');
  expect(logged()).not.toContain('secret-token');
});

test('no minute has more messages than DingTalk takes; what is too much is to be sent again', async () => {
  let time = 1_000;
  const { tell, messages, logged } = await aRelay(200, { errcode: 0 }, () => time);
  const statuses: number[] = [];
  const tellOften = async (times: number) => {
    for (let said = 0; said < times; said += 1) statuses.push((await tell(notification)).status);
  };
  await tellOften(10);
  time += 59_000;
  await tellOften(15);
  expect(statuses.filter((status) => status === 200)).toHaveLength(messagesMax);
  expect(messages()).toBe(messagesMax);
  expect(statuses.at(-1)).toBe(503);
  expect(logged()).toContain('no more messages this minute');
  // The first ten are a minute old, the others are not.
  time += 1_000;
  await tellOften(12);
  expect(messages()).toBe(messagesMax + 10);
  expect(messagesMax).toBeLessThan(20);
});

test('what is no notification is refused for good', async () => {
  const { tell } = await aRelay(200, { errcode: 0 });
  expect((await tell({ hello: 'world' })).status).toBe(400);
});
