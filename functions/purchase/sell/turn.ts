// The turns of a product: what may be done while its lock is held. Decide in one Lua call, publish
// in one Kafka send, remove from the outbox, and only then answer (decision 4).

import { setTimeout } from 'node:timers/promises';
import { crashPoint } from '#lib/crash-point.ts';
import type { HeldLock } from '#lib/lock/lock.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import {
  acknowledge,
  batchIdIn,
  type Fence,
  type OutboxBatch,
  type Purchase,
  type SellResult,
  sell,
} from '#lib/sale/sale.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { noTracing, type Tracing, traceOf } from '#lib/telemetry/tracing.ts';
import type { FenceRefusal } from '../order-metrics.ts';
import { NotOnSale, RebuildBlocked } from '../recover/rebuild.ts';
import type { KnownSale } from './known-sale.ts';
import type { Publisher } from './publish.ts';
import { type TurnTrace, traceLeftovers, traceTurn } from './turn-trace.ts';

/** The turn ended early: nobody may be told that anything was accepted in it. */
export class TurnFailed extends Error {
  override readonly name = 'TurnFailed';
}

export interface TurnDependencies {
  readonly redis: RedisClient;
  readonly publisher: Publisher;
  /** Rebuilds the sale in Redis from MySQL and Kafka, and resolves with its new generation. */
  readonly rebuild: (productId: string, held: HeldLock, reason: string) => Promise<number>;
  /** What MySQL knows of the sale; undefined where there is none. Throws where MySQL is away. */
  readonly findKnown: (productId: string) => Promise<KnownSale | undefined>;
  /** For how long that is good enough for a seller that others take turns with. */
  readonly knownForMs?: number;
  /** Answers for a product that is not sold any more, or never was: by MySQL alone. */
  readonly answerOffSale: (
    productId: string,
    purchases: readonly Purchase[],
  ) => Promise<readonly PurchaseAnswer[]>;
  readonly log: Log;
  readonly tracing?: Tracing;
  /** Told of the answers of every turn that came to its end, and how long it took. */
  readonly onTurn?: (answers: readonly PurchaseAnswer[], tookMs: number) => void;
  /** Told of events, once they are in Kafka and out of the outbox. */
  readonly onPublished?: (productId: string, events: readonly string[]) => void;
  /** Told where Redis decided nothing, and why. */
  readonly onFenceRefusal?: (reason: FenceRefusal) => void;
  readonly onRebuild?: () => void;
}

/** A purchase that waits for its answer. The first answer counts, later ones are ignored. */
export interface Waiting {
  readonly purchase: Purchase;
  readonly answer: (answer: PurchaseAnswer) => void;
}

const knownForMs = 1_000;
/** MySQL is not on the way of a purchase: who takes over waits for it no longer than this, */
const refreshWaitMs = 250;
/** and leaves it alone for so long when it did not answer. */
const refreshPauseMs = 5_000;

/** Rebuild, leftovers, and a surprise or two. */
const attemptsMax = 4;

type Decided = Extract<SellResult, { kind: 'decided' }>;

/**
 * The turns of one product on this instance: they share what it believes of the sale. The next
 * batch is decided while the last one is on its way to Kafka; answers keep the order of turns.
 */
export class Turns {
  readonly #productId: string;
  readonly #dependencies: TurnDependencies;
  /** The generation this instance believes to be loaded; Redis refuses another. */
  #generation: number | undefined;
  /** Something was accepted then, in that generation or before; Redis must know of it. */
  #lastAtUs = 0;
  /** Others may have had their turns since then. */
  #overtaken = false;
  #askAgainAtMs = 0;
  /** What keeps the sale from being loaded until an operator decides: told once. */
  #blockedBy: string | undefined;
  /** Batches of that generation that are being published. */
  readonly #underWay = new Set<number>();
  /** The end of the last turn: whether it came to its answers. */
  #last = Promise.resolve(true);

  constructor(productId: string, dependencies: TurnDependencies) {
    this.#productId = productId;
    this.#dependencies = dependencies;
  }

  /**
   * Decides a batch and sees to its answers. Resolves once the next one may be decided: when the
   * turn before this one is over; false where that one failed. Throws where nothing was decided.
   * `lockSinceMs`: the lock had to be waited for, since then.
   */
  async sell(held: HeldLock, batch: readonly Waiting[], lockSinceMs?: number): Promise<boolean> {
    const sinceMs = performance.now();
    const { tracing = noTracing } = this.#dependencies;
    const trace = traceTurn(tracing, this.#productId, batch, lockSinceMs);
    const decided = await this.#decideAll(held, batch, trace).catch((error: unknown) => {
      trace?.fail(error);
      trace?.end();
      throw error;
    });
    if (!decided) {
      trace?.end();
      return true;
    }
    crashPoint('turn.decided');
    // Refusals bind nobody, so they need not wait for Kafka.
    answerWhere(batch, decided.decision.answers, (answer) => !isAcceptance(answer));
    trace?.decided(decided.decision.answers, isAcceptance);
    const before = this.#last;
    const end = this.#finish(held, { ...decided, sinceMs }, { batch, trace }, before);
    this.#last = end;
    void end.then((done) => {
      // Nobody stands behind it: whoever comes next begins anew.
      if (!done && this.#last === end) this.#last = Promise.resolve(true);
    });
    return before;
  }

  /** Undefined where the sale is over, or there is none: then all are answered. */
  async #decideAll(held: HeldLock, batch: readonly Waiting[], trace: TurnTrace | undefined) {
    const purchases = batch.map(({ purchase }) => purchase);
    trace?.decides();
    try {
      return await this.#decide(held, purchases);
    } catch (error) {
      if (!(error instanceof NotOnSale)) throw error;
    }
    const { answerOffSale } = this.#dependencies;
    answerWhere(batch, await answerOffSale(this.#productId, purchases), () => true);
    return undefined;
  }

  /** Says that the lock was somebody else's meanwhile, perhaps. */
  tookOver(): void {
    this.#overtaken = true;
  }

  /** Waits for the end of all turns; nothing is on its way to Kafka then. */
  async settle(): Promise<void> {
    await this.#last;
  }

  /**
   * Publishes what a turn has sold, then says so. A purchase may repeat one of the turn before,
   * so nobody is told of an acceptance unless that one is through, too.
   */
  async #finish(
    held: HeldLock,
    { fence, decision, sinceMs }: { fence: Fence; decision: Decided; sinceMs: number },
    { batch, trace }: { batch: readonly Waiting[]; trace: TurnTrace | undefined },
    before: Promise<boolean>,
  ): Promise<boolean> {
    const { log, onTurn } = this.#dependencies;
    try {
      await this.#publish(held, fence, decision.batches, trace);
      if (!(await before)) throw new TurnFailed('the turn before has failed');
      // Asked last: to repeat acceptances nothing is published, and waiting took its time.
      if (!held.isHeld()) throw new TurnFailed('the lock ran out');
      trace?.answers();
      answerWhere(batch, decision.answers, isAcceptance);
      crashPoint('turn.answered');
      onTurn?.(decision.answers, performance.now() - sinceMs);
      return true;
    } catch (error) {
      log.warn({ err: error, productId: this.#productId, ...traceOf(trace) }, 'a turn failed');
      trace?.fail(error);
      return false;
    } finally {
      trace?.end();
      // This reaches only those that are left without an answer.
      for (const { answer } of batch) answer({ outcome: 'unavailable' });
    }
  }

  /** Publishes what the outbox holds, rebuilding the sale first where Redis lost it. */
  async drain(held: HeldLock): Promise<Fence> {
    await this.settle();
    // The script decides nothing, not even nothing, before its leftovers are published.
    const { fence } = await this.#decide(held, []);
    return fence;
  }

  /** Asks Redis until it decides: leftovers are published and lost sales rebuilt in between. */
  async #decide(
    held: HeldLock,
    purchases: readonly Purchase[],
  ): Promise<{ fence: Fence; decision: Decided }> {
    const { redis, tracing = noTracing } = this.#dependencies;
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const fence = await this.#fence(held);
      crashPoint('turn.before-decision');
      const known = this.#lastAtUs;
      const result = await sell(redis, this.#productId, fence, purchases, this.#underWay, known);
      if (result.kind !== 'decided' && result.kind !== 'leftovers') {
        this.#dependencies.onFenceRefusal?.(result.kind);
      }
      switch (result.kind) {
        case 'decided':
          this.#lastAtUs = result.lastAtUs;
          return { fence, decision: result };
        case 'leftovers':
          await traceLeftovers(tracing, result.batches, () =>
            this.#publish(held, fence, result.batches),
          );
          break;
        case 'other_generation':
          // A newer one is somebody else's rebuild; an older one was put back from the past.
          if (result.generation < fence.generation) await this.#rebuild(held, result.kind);
          else await this.#adopt(held, result.generation);
          break;
        case 'fenced':
        case 'loading':
        case 'missing':
        case 'other_process':
          await this.#rebuild(held, result.kind);
          break;
      }
    }
    throw new TurnFailed('the sale did not come to rest');
  }

  /**
   * Who was overtaken learns of a newer generation too, and its token may be the greater one if
   * etcd was replaced meanwhile: only etcd's own word makes it the seller. And only MySQL's word
   * makes the generation the one to sell: Redis, or MySQL, may have been put back to the past.
   */
  async #adopt(held: HeldLock, generation: number): Promise<void> {
    if (!(await held.confirm())) throw new TurnFailed('the lock is not ours any more');
    await this.settle();
    const known = await this.#known();
    if (known.generation === generation) this.#believe(known);
    else await this.#rebuild(held, 'other_generation');
  }

  async #fence(held: HeldLock): Promise<Fence> {
    // Once, before the first sale: later ones do without MySQL.
    if (this.#generation === undefined) this.#believe(await this.#known());
    else if (this.#overtaken) await this.#refresh(this.#generation);
    this.#overtaken = false;
    // 0: it was never loaded.
    const generation = this.#generation || (await this.#rebuild(held, 'first'));
    return { generation, ...held.token };
  }

  async #known(): Promise<KnownSale> {
    const known = await this.#dependencies.findKnown(this.#productId);
    if (!known) throw new NotOnSale(this.#productId);
    return known;
  }

  /**
   * Who takes over learns from the rows what was accepted meanwhile, which Redis must know of, too.
   * That narrows the gap for a copy of the past in the same Redis. No sale depends on the answer.
   */
  async #refresh(generation: number): Promise<void> {
    if (performance.now() < this.#askAgainAtMs) return;
    const { findKnown, knownForMs: goodForMs = knownForMs } = this.#dependencies;
    const answered = new AbortController();
    const known = await Promise.race([
      findKnown(this.#productId),
      setTimeout(refreshWaitMs, undefined, { signal: answered.signal }),
    ]).catch(() => undefined);
    answered.abort();
    this.#askAgainAtMs = performance.now() + (known ? goodForMs : refreshPauseMs);
    // Another generation is for Redis to tell, and for etcd and MySQL to confirm.
    if (known?.generation !== generation) return;
    this.#lastAtUs = Math.max(this.#lastAtUs, known.lastAtUs);
  }

  #believe({ generation, lastAtUs }: KnownSale): void {
    this.#askAgainAtMs = performance.now() + (this.#dependencies.knownForMs ?? knownForMs);
    this.#generation = generation;
    this.#lastAtUs = lastAtUs;
  }

  async #rebuild(held: HeldLock, reason: string): Promise<number> {
    const { rebuild, log, onRebuild } = this.#dependencies;
    await this.settle();
    this.#generation = undefined;
    const generation = await rebuild(this.#productId, held, reason).catch((error: unknown) => {
      this.#tellOfBlock(error);
      throw error;
    });
    this.#blockedBy = undefined;
    log.info({ productId: this.#productId, generation, reason }, 'the sale was loaded into Redis');
    // What was accepted last may never have come through; whoever loads it knows.
    this.#believe({ generation, lastAtUs: 0 });
    onRebuild?.();
    return generation;
  }

  #tellOfBlock(error: unknown): void {
    if (!(error instanceof RebuildBlocked) || error.message === this.#blockedBy) return;
    this.#blockedBy = error.message;
    const { log } = this.#dependencies;
    log.error({ err: error, productId: this.#productId }, 'a sale waits for an operator');
  }

  /** Throws where it is not known to be published, or a newer holder may decide about it. */
  async #publish(
    held: HeldLock,
    fence: Fence,
    batches: readonly OutboxBatch[],
    trace?: TurnTrace,
  ): Promise<void> {
    if (batches.length === 0) return;
    const productId = this.#productId;
    const { redis, publisher, onPublished, onFenceRefusal } = this.#dependencies;
    const numbers = batches.map(({ number }) => number);
    for (const number of numbers) this.#underWay.add(number);
    try {
      crashPoint('turn.before-send');
      trace?.sends();
      await publisher.publish(
        batches.map((batch) => ({
          productId,
          batchId: batchIdIn(productId, fence.generation, batch),
          data: batch.data,
        })),
      );
      crashPoint('turn.sent');
      trace?.acknowledges();
      if (!(await acknowledge(redis, productId, fence, numbers))) {
        onFenceRefusal?.('acknowledge');
        throw new TurnFailed('a newer holder of the lock was here');
      }
      onPublished?.(
        productId,
        batches.map(({ data }) => data),
      );
      crashPoint('turn.outbox-removed');
    } finally {
      for (const number of numbers) this.#underWay.delete(number);
    }
    if (!held.isHeld()) throw new TurnFailed('the lock ran out');
  }
}

function isAcceptance({ outcome }: PurchaseAnswer): boolean {
  return outcome === 'accepted' || outcome === 'replayed';
}

function answerWhere(
  batch: readonly Waiting[],
  answers: readonly PurchaseAnswer[],
  matches: (answer: PurchaseAnswer) => boolean,
): void {
  for (const [index, { answer }] of batch.entries()) {
    const given = answers[index];
    if (given && matches(given)) answer(given);
  }
}
