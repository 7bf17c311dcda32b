// Takes Alertmanager's notifications and hands them to DingTalk's robot. 200 only where DingTalk
// has taken the message; where it has not, 502, and where the robot has said enough for this
// minute, 503: Alertmanager asks again, and then tells how it stands by then.

import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { addProbes, type Readiness } from '#lib/http/serve.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { messageOf, notificationSchema, type RobotMessage, signedUrl } from './message.ts';
import { createPace } from './pace.ts';

interface Dependencies {
  /** The robot's webhook, with its access token. */
  readonly url: string;
  readonly secret: string | undefined;
  readonly readiness: Readiness;
  readonly log: Log;
  /** Epoch milliseconds: DingTalk refuses a signature that is an hour old. */
  readonly now: () => number;
}

const bytesMax = 1_048_576;
/** Less than Alertmanager waits for us. */
const timeoutMs = 5_000;

export function createApp(dependencies: Dependencies): Hono {
  const { readiness, log } = dependencies;
  const maySend = createPace(dependencies.now);
  const app = new Hono();
  addProbes(app, readiness);
  app.post('/alerts', bodyLimit({ maxSize: bytesMax }), async (context) => {
    const body: unknown = await context.req.json().catch(() => undefined);
    const notification = notificationSchema.safeParse(body);
    if (!notification.success) return context.text('no notification of Alertmanager', 400);
    if (!maySend()) {
      log.warn('DingTalk takes no more messages this minute');
      return context.text('too many for DingTalk', 503, { 'retry-after': '60' });
    }
    try {
      await send(dependencies, messageOf(notification.data));
      return context.text('ok');
    } catch (error) {
      log.warn({ err: error }, 'DingTalk has not taken a message');
      return context.text('DingTalk has not taken it', 502);
    }
  });
  return app;
}

/** Rejects where DingTalk has not taken it. Its address is a secret, and in no error. */
async function send({ url, secret, now }: Dependencies, message: RobotMessage): Promise<void> {
  const response = await fetch(signedUrl(url, secret, now()), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const answer = (await response.json().catch(() => undefined)) as
    | { errcode?: unknown }
    | undefined;
  // It answers 200 to what it refuses, too.
  if (response.ok && answer?.errcode === 0) return;
  throw new Error(`DingTalk answered ${response.status}, errcode ${String(answer?.errcode)}`);
}
