// A rolling update of all four Services under load: an annotation of their templates changes, and
// then goes again, so that the system is left as it was found. No purchase fails, and no buyer gets
// any answer but the ones that mean something: 2xx, 409, 410, 429.

import { setTimeout as pause } from 'node:timers/promises';
import { type Cluster, serviceNames } from '../cluster.ts';
import { countsOf, servedOf } from '../judge.ts';
import { startStream, untilServed } from '../load.ts';
import type { Found, Stage } from '../stage.ts';

const annotation = 'seckill/rolled-at';
const updatedWithinMs = 300_000;
/** Old pods drain for half a minute after the last request; what they cause shows by then. */
const drainedWithinMs = 180_000;
const quietMs = 5_000;
const peopleCount = 100_000;

export async function rollingUpdate(stage: Stage): Promise<Found> {
  const { cluster, options, say } = stage;
  const sale = await stage.newSale({ name: 'rolling', stock: peopleCount });
  const load = startStream(sale.buyers, await sale.people(peopleCount), options.perSecond);
  const { tally } = sale.buyers;
  stage.atTheEnd('the templates as they were', () => annotate(cluster, null));
  await untilServed(stage, tally.purchases);
  const problems: string[] = [];
  const updateSeconds: number[] = [];
  const uncleanBefore = tally.unclean.length;
  for (const [what, value] of [
    ['on', new Date().toISOString()],
    ['back', null],
  ] as const) {
    const startedAtMs = performance.now();
    const old = await annotate(cluster, value);
    const found = await stage.until(updatedWithinMs, () => updated(cluster, old));
    updateSeconds.push(Math.round((performance.now() - startedAtMs) / 100) / 10);
    say(`${what}: ${found === undefined ? 'not ' : ''}updated in ${updateSeconds.at(-1) ?? 0} s`);
    if (found === undefined) problems.push(`not updated: ${await whyNot(cluster)}`);
    const drained = await stage.until(drainedWithinMs, async () => {
      const left = (await cluster.pods()).filter(({ revision }) => old.has(revision));
      return left.length === 0 || undefined;
    });
    if (drained === undefined) problems.push('pods of the old revisions are left');
    await pause(quietMs, undefined, { signal: stage.interrupted });
  }
  await load.stop();
  const served = servedOf(tally);
  if (served.unserved > 0) problems.push(`${served.unserved} purchases failed`);
  const unclean = tally.unclean.slice(uncleanBefore);
  if (unclean.length > 0)
    problems.push(`answers nobody wants: ${JSON.stringify(countsOf(unclean))}`);
  const settled = await sale.settle();
  return {
    figures: { updateSeconds, ...served, ...settled.figures },
    problems: [...problems, ...settled.problems],
  };
}

/** Changes all four at once, as an apply does; resolves with the revisions that served till then. */
async function annotate(cluster: Cluster, value: string | null): Promise<ReadonlySet<string>> {
  const serving = (await cluster.services()).map((service) => service.serving);
  const patch = { spec: { template: { metadata: { annotations: { [annotation]: value } } } } };
  await Promise.all(
    serviceNames.map((name) => cluster.patch('services.serving.knative.dev', name, patch)),
  );
  return new Set(serving);
}

/** True once all four are served by new revisions alone. */
async function updated(cluster: Cluster, old: ReadonlySet<string>): Promise<true | undefined> {
  const services = await cluster.services();
  const isDone = services.every(
    ({ isReady, serving }) => isReady && serving !== '' && !old.has(serving),
  );
  return isDone || undefined;
}

async function whyNot(cluster: Cluster): Promise<string> {
  const services = await cluster.services();
  return services
    .filter(({ isReady }) => !isReady)
    .map(({ name, why }) => `${name}: ${why}`)
    .join('; ');
}
