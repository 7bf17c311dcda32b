// What somebody who watches a sale has to act on, and what to do about it. An alarm stands as long
// as its cause; what takes a moment in a healthy sale (an order on its way, an instance that
// starts) becomes one only when it lasts.

import type { Sale } from '#functions/purchase/catalogue.ts';
import { remedyOf } from '../kube/lost-warmth.ts';
import type { Counting } from './counting.ts';
import type { Look } from './look.ts';
import type { Figures, FunctionStatus } from './status-document.ts';

export interface Alarm {
  /** Stable; for programs. */
  readonly code: string;
  /** What is wrong and what to do. */
  readonly text: string;
}

export interface Situation {
  readonly look: Look;
  /** The sales as they were last told of. */
  readonly told: readonly Sale[];
  readonly functions: readonly FunctionStatus[];
  readonly perSecond: Figures;
  readonly counting: Pick<Counting, 'last' | 'whole'>;
  /** How kubectl is called where the instances are. */
  readonly kubectl: string;
}

export interface Alarms {
  judge(situation: Situation): Alarm[];
}

/** Longer than a send to Kafka, with one more try, takes. */
const stuckMs = 10_000;
/** Time enough to wake what sleeps before the doors open. */
const beforeOpeningMs = 120_000;
/** Of all answers: fewer are a store's fail-over. */
const failedShareMax = 0.05;
const delayMaxSeconds = 1;
const restartShownMs = 60_000;

export function createAlarms(): Alarms {
  const outboxes = createStuck();
  const sinks = createStuck();
  const restarts = createRestarts();
  return {
    judge: (situation) => [
      ...promises(situation),
      ...stores(situation.look),
      ...outbox(situation, outboxes),
      ...delivery(situation, sinks),
      ...deadLetters(situation.look),
      ...openings(situation),
      ...warmth(situation.look),
      ...instances(situation, restarts),
      ...failures(situation.perSecond),
    ],
  };
}

/** Since when something has been the same, by what it is about. */
interface Stuck {
  /** Milliseconds for which `state` has not changed; undefined forgets it. */
  sinceMs(what: string, state: string | undefined, atMs: number): number;
}

function createStuck(): Stuck {
  const seen = new Map<string, { readonly state: string; readonly atMs: number }>();
  return {
    sinceMs(what, state, atMs) {
      if (state === undefined) {
        seen.delete(what);
        return 0;
      }
      const before = seen.get(what);
      if (before?.state === state) return atMs - before.atMs;
      seen.set(what, { state, atMs });
      return 0;
    },
  };
}

function* promises({ look: { instances }, told, counting }: Situation): Generator<Alarm> {
  for (const { productId, stock, sold, left } of told) {
    if (sold <= stock && left >= 0) continue;
    const text = `${productId}: ${sold} units sold of ${stock}. Stop it: \`sale pause ${productId}\``;
    yield { code: 'oversold', text: `${text}, then \`verify ${productId}\`` };
  }
  // Also before the watch began: whatever it was, somebody has to look at it.
  const found = (name: string) => {
    const series = instances.flatMap((one) => one.series ?? []).filter((one) => one.name === name);
    const before = series.reduce((sum, { value }) => sum + value, 0);
    return Math.max(before, counting.whole().increase(name));
  };
  const look = '`reconcile PRODUCT` tells which sale, `verify PRODUCT` whether it stands';
  if (found('seckill_reconcile_oversold_units_total') > 0) {
    yield { code: 'oversold', text: `a reconciliation has found units sold twice: ${look}` };
  }
  if (found('seckill_reconcile_lost_orders_total') > 0) {
    const text = `a reconciliation has found accepted orders that nothing makes rows: ${look}`;
    yield { code: 'lost', text };
  }
  const rejected = found('seckill_rejected_orders_total');
  if (rejected > 0) {
    const text = `${rejected} accepted orders became rows without units: ${look}`;
    yield { code: 'rejected', text };
  }
}

function* stores({ standing }: Look): Generator<Alarm> {
  for (const [store, answer] of Object.entries(standing?.stores ?? {})) {
    if (answer === true) continue;
    const text = `${store} is away: ${answer}. \`doctor\` tells more`;
    yield { code: 'store_away', text };
  }
}

function* outbox({ look, told }: Situation, stuck: Stuck): Generator<Alarm> {
  if (look.standing === undefined) return;
  for (const { productId, pending, sold } of told) {
    const state = pending > 0 ? `${pending} ${sold}` : undefined;
    const ms = stuck.sinceMs(productId, state, look.atMs);
    if (ms < stuckMs) continue;
    const text =
      `${productId}: ${pending} orders have waited for Kafka for ${Math.round(ms / 1_000)} s. ` +
      'Their buyers are told to ask again; nothing is lost';
    yield { code: 'outbox', text };
  }
}

const sinkNames = ['persist-order', 'update-rank'] as const;

function* delivery({ look, counting, functions }: Situation, stuck: Stuck): Generator<Alarm> {
  for (const sink of sinkNames) {
    const lag = look.standing?.lagEvents?.[sink] ?? 0;
    const done = counting.whole().increase('seckill_consumed_orders_total', { function: sink });
    const ms = stuck.sinceMs(sink, lag > 0 ? String(done) : undefined, look.atMs);
    if (ms >= stuckMs) {
      const ready = functions.find(({ name }) => name === sink)?.ready ?? 0;
      const why = ready === 0 ? 'none of its instances is ready' : 'see its log';
      const text = `${sink} has taken nothing for ${Math.round(ms / 1_000)} s, ${lag} events wait: ${why}`;
      yield { code: 'delivery', text };
      continue;
    }
    const span = counting.last(stuckMs);
    const at = { function: sink };
    const consumed = span.increase('seckill_consume_delay_seconds_count', at);
    const seconds = span.increase('seckill_consume_delay_seconds_sum', at) / consumed;
    if (consumed > 0 && seconds > delayMaxSeconds) {
      const text = `${sink} is ${seconds.toFixed(1)} s behind: orders take so long to show`;
      yield { code: 'delay', text };
    }
  }
}

function* deadLetters({ standing }: Look): Generator<Alarm> {
  for (const [sink, count] of Object.entries(standing?.deadLetters ?? {})) {
    if (count === 0) continue;
    const letters = count === 1 ? '1 dead letter' : `${count} dead letters`;
    const text = `${letters} of ${sink}: \`dead-letters list --sink ${sink}\`, then replay or drop`;
    yield { code: 'dead_letters', text };
  }
}

const doors = ['ratelimit-edge', 'purchase'] as const;

function* openings({ look, told, functions }: Situation): Generator<Alarm> {
  const soon = new Map<string, number>();
  const planned = look.planned.map((one) => [one.productId, one.opensAtMs] as const);
  const scheduled = told
    .filter(({ state, opensAt }) => state === 'scheduled' && opensAt !== null)
    .map(({ productId, opensAt }) => [productId, Date.parse(opensAt ?? '')] as const);
  for (const [productId, opensAtMs] of [...planned, ...scheduled]) {
    const inMs = opensAtMs - look.atMs;
    if (inMs > 0 && inMs <= beforeOpeningMs) soon.set(productId, inMs);
  }
  const missing = functions.filter(
    ({ name, ready, wanted }) =>
      doors.some((door) => door === name) && ready < Math.max(1, wanted ?? 1),
  );
  if (missing.length === 0) return;
  const what = missing
    .map(({ name, ready, wanted }) => `${ready} of ${Math.max(1, wanted ?? 1)} ${name}`)
    .join(', ');
  for (const [productId, inMs] of soon) {
    const text = `${productId} opens in ${Math.round(inMs / 1_000)} s, and only ${what} is ready`;
    yield { code: 'not_ready', text: `${text}: \`scale warm\`` };
  }
}

function* warmth({ lostWarmth }: Look): Generator<Alarm> {
  for (const lost of lostWarmth) {
    const { service, holder, wanted, has } = lost;
    const text =
      `${service} was warmed to ${wanted} for ${holder}, and a roll-out has left ${has}: ` +
      `\`${remedyOf(lost).again}\``;
    yield { code: 'warmth_lost', text };
  }
}

interface Restarts {
  /** Names of those that restarted within the last minute. */
  lately(look: Look): string[];
}

function createRestarts(): Restarts {
  const before = new Map<string, number>();
  const at = new Map<string, number>();
  return {
    lately({ instances, atMs }) {
      for (const { id, restarts } of instances) {
        if (restarts > (before.get(id) ?? restarts)) at.set(id, atMs);
        before.set(id, restarts);
      }
      return instances
        .filter(({ id }) => (at.get(id) ?? -Infinity) > atMs - restartShownMs)
        .map(({ name }) => name);
    },
  };
}

function* instances({ look, kubectl }: Situation, restarts: Restarts): Generator<Alarm> {
  const troubled = Map.groupBy(
    look.instances.filter(({ trouble }) => trouble !== undefined),
    (one) => `${one.function}: ${one.trouble ?? ''}`,
  );
  for (const [what, some] of troubled) {
    const [first] = some;
    const text = `${some.length} of ${what}. See: ${kubectl} describe pod ${first?.name ?? ''}`;
    yield { code: 'instance_failing', text };
  }
  for (const name of restarts.lately(look)) {
    const text = `${name} has restarted. See: ${kubectl} logs --previous -c user-container ${name}`;
    yield { code: 'restarted', text };
  }
}

function* failures({ accepted, replayed, refused, failed }: Figures): Generator<Alarm> {
  const others = accepted + replayed + Object.values(refused).reduce((sum, one) => sum + one, 0);
  const share = failed / (others + failed || 1);
  if (share <= failedShareMax) return;
  const text = `${Math.round(share * 100)} % of purchases are answered 503 (ask again)`;
  yield { code: 'unavailable', text };
}
