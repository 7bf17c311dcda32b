// The trace of one turn: its steps are steps of every sampled purchase in it, and it has a span of
// its own, linked to theirs.

import { ordersTopic } from '#lib/names.ts';
import { traceparentsIn } from '#lib/order-event.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';
import type { OutboxBatch, Purchase } from '#lib/sale/sale.ts';
import type { Span, SpanKind, Tracing } from '#lib/telemetry/tracing.ts';

const sendStep = `send ${ordersTopic}`;

interface Waiting {
  readonly purchase: Purchase;
}

export class TurnTrace {
  readonly #turn: Span;
  /** By their places in the turn. */
  readonly #members: Map<number, Span>;

  constructor(turn: Span, members: Map<number, Span>) {
    this.#turn = turn;
    this.#members = members;
  }

  get traceparent(): string {
    return this.#turn.traceparent;
  }

  decides(): void {
    this.#enter('decide');
  }

  /** Whoever is not sold anything is answered at once, and has no part in what follows. */
  decided(answers: readonly PurchaseAnswer[], isAcceptance: (one: PurchaseAnswer) => boolean) {
    for (const [index, span] of this.#members) {
      const answer = answers[index];
      if (answer && isAcceptance(answer)) continue;
      span.enter('answer');
      this.#members.delete(index);
    }
  }

  sends(): void {
    this.#enter(sendStep, 'producer');
  }

  acknowledges(): void {
    this.#enter('acknowledge');
  }

  answers(): void {
    this.#enter('answer');
  }

  /** The turn has failed. */
  fail(error: unknown): void {
    for (const span of [this.#turn, ...this.#members.values()]) span.fail(error);
  }

  end(): void {
    this.#turn.end();
  }

  #enter(step: string, kind: SpanKind = 'internal'): void {
    for (const span of [this.#turn, ...this.#members.values()]) span.enter(step, { kind });
  }
}

/**
 * Undefined where nothing in the turn is sampled. `lockSinceMs`: it had to wait for the product's
 * lock, since then.
 */
export function traceTurn(
  tracing: Tracing,
  productId: string,
  batch: readonly Waiting[],
  lockSinceMs: number | undefined,
): TurnTrace | undefined {
  let members: Map<number, Span> | undefined;
  for (const [index, { purchase }] of batch.entries()) {
    if (purchase.span === undefined) continue;
    members ??= new Map();
    members.set(index, purchase.span);
    if (lockSinceMs !== undefined) purchase.span.enter('lock', { sinceMs: lockSinceMs });
  }
  if (members === undefined) return undefined;
  const turn = tracing.batch('turn', [...members.values()]);
  turn.set({ 'seckill.product.id': productId, 'seckill.batch.size': batch.length });
  return new TurnTrace(turn, members);
}

/** What others have sold, perhaps: here it goes on, after a crash, or a send that failed. */
export async function traceLeftovers(
  tracing: Tracing,
  batches: readonly OutboxBatch[],
  publish: () => Promise<void>,
): Promise<void> {
  const spans = batches
    .flatMap(({ data }) => traceparentsIn(data))
    .map((traceparent) => tracing.join(sendStep, 'producer', traceparent))
    .filter((span) => span !== undefined);
  try {
    await publish();
  } catch (error) {
    for (const span of spans) span.fail(error);
    throw error;
  } finally {
    for (const span of spans) span.end();
  }
}
