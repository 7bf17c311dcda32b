// What Prometheus learns from update-rank besides what every sink tells.

import { Counter, Histogram, type Registry } from 'prom-client';
import type { Recorded } from '#lib/board/board.ts';

export interface RankMetrics {
  readonly updates: Counter<'result'>;
  readonly members: Histogram;
  readonly folded: Histogram;
}

export function createRankMetrics(registry: Registry): RankMetrics {
  const registers = [registry];
  const metrics: RankMetrics = {
    updates: new Counter({
      name: 'seckill_board_updates_total',
      help: 'Boards that were brought up to events: joined (a score changed), known (none did); and events that were older than the loaded sale.',
      labelNames: ['result'],
      registers,
    }),
    members: new Histogram({
      name: 'seckill_board_update_members',
      help: 'Buyers in one update of a product’s boards.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000],
      registers,
    }),
    folded: new Histogram({
      name: 'seckill_board_update_events',
      help: 'Events folded into one update of a product’s boards.',
      buckets: [1, 2, 5, 10, 20, 50],
      registers,
    }),
  };
  for (const result of ['joined', 'known', 'older']) metrics.updates.inc({ result }, 0);
  return metrics;
}

/** Counts one update of a product's boards, of so many events. */
export function countRecorded(
  { updates, members, folded }: RankMetrics,
  recorded: Recorded,
  events: number,
): void {
  for (const result of ['joined', 'known', 'older'] as const) {
    updates.inc({ result }, recorded[result]);
  }
  members.observe(recorded.members);
  folded.observe(events);
}
