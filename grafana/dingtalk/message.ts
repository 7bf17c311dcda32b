// An alert as DingTalk's custom robot takes it: Markdown in JSON, and a signature in the address.
// Format: https://open.dingtalk.com/document/robots/custom-robot-access

import { createHmac } from 'node:crypto';
import * as z from 'zod';

/** What Alertmanager sends (version 4), as far as it is read. */
export const notificationSchema = z.object({
  version: z.literal('4'),
  status: z.enum(['firing', 'resolved']),
  alerts: z
    .array(
      z.object({
        status: z.enum(['firing', 'resolved']),
        labels: z.record(z.string(), z.string()),
        annotations: z.record(z.string(), z.string()),
        startsAt: z.string(),
      }),
    )
    .min(1),
});
export type Notification = z.infer<typeof notificationSchema>;

export interface RobotMessage {
  readonly msgtype: 'markdown';
  readonly markdown: { readonly title: string; readonly text: string };
  readonly at: { readonly isAtAll: boolean };
}

/** DingTalk takes 20,000 bytes; each alert of ours is a few hundred. */
const alertsMax = 20;

/** One message for one notification. Whoever has to act at once is everybody in the group. */
export function messageOf({ status, alerts }: Notification): RobotMessage {
  const names = [...new Set(alerts.map(({ labels }) => labels.alertname ?? 'alert'))].join(', ');
  const title = `[${status === 'firing' ? 'FIRING' : 'RESOLVED'}] ${names}`;
  const shown = alerts.slice(0, alertsMax).map(paragraphOf);
  const more = alerts.length - shown.length;
  return {
    msgtype: 'markdown',
    markdown: {
      title,
      text: [`### ${title}`, ...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('\n\n'),
    },
    at: { isAtAll: status === 'firing' && alerts.some(isCritical) },
  };
}

function isCritical({ labels, status }: Notification['alerts'][number]): boolean {
  return status === 'firing' && labels.severity === 'critical';
}

function paragraphOf({ status, annotations, startsAt }: Notification['alerts'][number]): string {
  const { summary = '', description = '', runbook_url: runbook } = annotations;
  return [
    `**${summary}**${status === 'resolved' ? ' (resolved)' : ''}`,
    ...(description === '' ? [] : [description]),
    `since ${startsAt}${runbook === undefined ? '' : ` · [what to do](${runbook})`}`,
  ].join('\n\n');
}

/** The robot's address for a message sent now; `secret` where its security setting is a signature. */
export function signedUrl(url: string, secret: string | undefined, nowMs: number): string {
  if (secret === undefined) return url;
  const signed = new URL(url);
  const sign = createHmac('sha256', secret).update(`${nowMs}\n${secret}`).digest('base64');
  signed.searchParams.set('timestamp', String(nowMs));
  signed.searchParams.set('sign', sign);
  return signed.href;
}
