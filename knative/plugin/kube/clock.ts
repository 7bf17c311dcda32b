// What time it is in the cluster: its controllers go by their clock, and not by the one here.

import type { Invocation } from '../command.ts';
import type { Kube } from './client.ts';

/** Less is seen by nobody: CronJobs know whole minutes. */
const skewMaxMs = 2_000;
/** The API server's dates are of whole seconds. */
const dateMs = 500;

/** Epoch milliseconds by the cluster's clock; warns where the one here is another. */
export async function clusterTimeMs(kube: Kube, { say }: Pick<Invocation, 'say'>): Promise<number> {
  const askedAtMs = Date.now();
  const theirsMs = await kube.now();
  const answeredAtMs = Date.now();
  if (theirsMs === undefined) {
    say('warning: the API server does not say what time it is: the clock here counts');
    return answeredAtMs;
  }
  const aheadMs = theirsMs - (askedAtMs + answeredAtMs) / 2;
  const uncertainMs = (answeredAtMs - askedAtMs) / 2 + dateMs;
  if (Math.abs(aheadMs) - uncertainMs > skewMaxMs) {
    const far = `${Math.round(Math.abs(aheadMs) / 1_000)} s ${aheadMs > 0 ? 'behind' : 'ahead of'}`;
    say(`warning: the clock here is ${far} the cluster's, by which it is done. Keep it by NTP`);
  }
  return theirsMs;
}
