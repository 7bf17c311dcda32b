// Whether sales that run are looked after, and an idle system is left asleep.

import { type Check, checksOf } from '#lib/diagnosis.ts';
import { progressOf } from '../install/progress.ts';
import { type Kube, type KubeObject, kinds } from '../kube/client.ts';
import type { Sale } from '../show-sale.ts';
import { needsTick, tickName } from '../tick.ts';

const say = checksOf('system');
/** Longer than Knative takes to see it. */
const newMs = 30_000;
const whyTick =
  'after a crash nobody publishes what is pending until a buyer comes, and nothing is reconciled';

/** There is a tick while a sale runs, and none otherwise. */
export async function checkTick(kube: Kube, sales: readonly Sale[]): Promise<Check> {
  const tick = await kube.get<KubeObject>({ ...kinds.pingSource, name: tickName });
  const { state = 'done', text = '' } = (tick && progressOf(tick)) ?? {};
  const running = sales.filter(needsTick);
  const [first] = running;
  if (tick === undefined && first !== undefined) {
    return say.wrong('tick', {
      found: `${running.length} sales run, like ${first.productId}, and there is no tick`,
      why: whyTick,
      todo: `\`kn-seckill sale warm ${first.productId}\` makes it`,
    });
  }
  if (tick !== undefined && running.length === 0) {
    return say.wrong('tick', {
      found: 'there is a tick, and no sale that needs it',
      why: 'it wakes the system every minute for nothing',
      todo: `\`kubectl -n ${kube.namespace} delete pingsource ${tickName}\``,
    });
  }
  if (tick !== undefined && state !== 'done') return notReady(kube, tick, text);
  return say.ok('tick', tick === undefined ? 'none, and no sale runs' : 'there, while sales run');
}

/** It is there and does nothing, unless it was made a moment ago. */
async function notReady(kube: Kube, { metadata }: KubeObject, text: string): Promise<Check> {
  const madeAtMs = Date.parse(metadata.creationTimestamp ?? '') || 0;
  const isNew = ((await kube.now()) ?? Date.now()) - madeAtMs < newMs;
  return say[isNew ? 'unknown' : 'wrong']('tick', {
    found: `the tick is there and not ready: ${text}`,
    why: whyTick,
    todo: isNew
      ? 'it was made a moment ago: ask again'
      : `\`kubectl -n ${kube.namespace} describe pingsource ${tickName}\`; Knative Eventing makes it ready`,
  });
}
