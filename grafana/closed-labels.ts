// Every label of every metric of ours, and all values that it can take. A value that is not here
// may not appear at a scrape: labels come from closed lists, never from what a request carries.

import { orderResults, rejectionReasons } from '#functions/persist-order/decide.ts';
import { rememberedOutcomes, routeNames } from '#functions/ratelimit-edge/metrics.ts';
import { functionNames } from '#knative/local/build.ts';
import { tiers } from '#lib/buckets/limits.ts';
import { delivery } from '#lib/http/delivery.ts';
import { contentions } from '#lib/mysql/contention.ts';
import { consumerGroups } from '#lib/names.ts';
import { OUTCOMES } from '#lib/outcome.ts';
import { productClasses } from '#lib/product-class.ts';
import { differenceCodes, repairs } from '#lib/reconcile/report.ts';

type Values = readonly string[];

const truth = ['true', 'false'];
const hitOrMiss = ['hit', 'miss'];
const outcome = Object.keys(OUTCOMES);
const sink = Object.keys(consumerGroups);
const classes: Values = productClasses;

/** Labels by metric; `function` (on all) and `le` (of histograms) are not repeated here. */
export const closedLabels: Readonly<Record<string, Readonly<Record<string, Values>>>> = {
  seckill_requests_total: {
    outcome,
    result: [...new Set(Object.values(OUTCOMES).map(({ result }) => result))],
  },
  seckill_rate_limited_total: { tier: tiers },
  seckill_refused_from_memory_total: { outcome: rememberedOutcomes },
  seckill_request_duration_seconds: { route: routeNames },
  seckill_purchases_total: { outcome },
  seckill_accepted_orders_total: { class: classes },
  seckill_accepted_units_total: { class: classes },
  seckill_confirmed_orders_total: { class: classes },
  seckill_fence_refusals_total: {
    reason: ['fenced', 'other_generation', 'other_process', 'missing', 'loading', 'acknowledge'],
  },
  seckill_kafka_sends_total: { acknowledged: truth },
  seckill_lock_lease_events_total: {
    type: ['lease-granted', 'lease-resumed', 'renewed', 'renewal-failed', 'lease-lost'].concat([
      'lease-ended',
      'woken',
      'release-delayed',
      'record-set-aside',
    ]),
  },
  seckill_stock_lookups_total: { result: hitOrMiss },
  seckill_cache_lookups_total: { cache: ['whereabouts', 'unknown_products'], result: hitOrMiss },
  seckill_reconciliations_total: { ok: truth },
  seckill_reconcile_differences_total: { code: differenceCodes },
  seckill_reconcile_repairs_total: { repair: repairs },
  seckill_store_up: { store: ['Redis', 'MySQL', 'etcd', 'Kafka'] },
  seckill_sales: { state: ['scheduled', 'open', 'paused', 'sold_out', 'ended'] },
  seckill_stock_units: { class: classes },
  seckill_left_units: { class: classes },
  seckill_delivery_lag_events: { sink },
  seckill_dead_letters: { sink },
  seckill_events_total: { result: Object.keys(delivery) },
  seckill_event_refusals_total: {
    reason: [
      'size',
      'content_type',
      'cloud_event',
      'type',
      'version',
      'signature',
      'schema',
    ].concat('consumer'),
  },
  seckill_persisted_orders_total: { result: [...orderResults, 'unwritable'] },
  seckill_rejected_orders_total: { reason: rejectionReasons },
  seckill_status_notes_total: { result: ['noted', 'failed'] },
  seckill_persist_retries_total: { reason: [...contentions, 'known', 'refused'] },
  seckill_board_updates_total: { result: ['joined', 'known', 'older'] },
};

/** Of all metrics. */
export const functionLabel: Values = functionNames;
