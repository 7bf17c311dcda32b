// Buyers as they are: each wants one thing under one key, and asks again with that key until it
// knows what became of it. What they were told is the other half of every proof here.

import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { signToken } from '#knative/plugin/sign-token.ts';
import { until } from '#lib/testing/runtime.ts';
import type { Fleet, Reachable } from './fleet.ts';

export interface Crowd {
  /** Order ids that were accepted, by who holds them. */
  readonly accepted: ReadonlyMap<string, Ask>;
  /** Those of them that an operator has cancelled, as the test says. */
  readonly cancelled: Set<string>;
  /** Lets this many more be asked for. */
  allow(purchases: number): void;
  /** When each was first accepted and when somebody was told 503 or nothing, in ms. */
  readonly acceptedAtMs: readonly number[];
  readonly unknownAtMs: readonly number[];
  /** The longest that anybody had to ask until it was known, in ms. */
  longestMs: number;
  /** Resolves when everybody knows; who has not asked yet asks no more. */
  finish(): Promise<void>;
  /** Asks once more, everybody: rejects where an acceptance is not repeated as it was. */
  askAgain(): Promise<void>;
}

interface Ask {
  readonly userId: string;
  readonly key: string;
}

export interface CrowdOptions {
  readonly productId: string;
  /** How many buy at the same time. */
  readonly buyers: number;
  /** How long who has bought waits before the next comes. */
  readonly thinkMs?: number;
}

/** Longer than the edge takes to say that it does not know, unless it is frozen. */
const answerTimeoutMs = 12_000;
const askAgainAfterMs = 100;
const askAgainTogether = 20;
/** The longest that anything here keeps the system from answering. */
const knownWithinMs = 180_000;

export function startCrowd(fleet: Fleet, options: CrowdOptions): Crowd {
  return new Buyers(fleet, options);
}

/** By then a system that was hit is to sell again. */
export const recoveryDeadlineMs = 90_000;

/** Resolves when so many more have been accepted. */
export async function more(crowd: Crowd, purchases: number): Promise<void> {
  const wanted = crowd.accepted.size + purchases;
  await until(`${wanted} purchases to be accepted`, recoveryDeadlineMs, () =>
    Promise.resolve(crowd.accepted.size >= wanted || undefined),
  );
}

class Buyers implements Crowd {
  readonly accepted = new Map<string, Ask>();
  readonly cancelled = new Set<string>();
  readonly acceptedAtMs: number[] = [];
  readonly unknownAtMs: number[] = [];
  longestMs = 0;
  readonly #fleet: Fleet;
  readonly #options: CrowdOptions;
  readonly #refused: Ask[] = [];
  readonly #failures: unknown[] = [];
  readonly #all: Promise<void>[];
  #allowed = 0;
  #begun = 0;
  #isOver = false;

  constructor(fleet: Fleet, options: CrowdOptions) {
    this.#fleet = fleet;
    this.#options = options;
    this.#all = Array.from({ length: options.buyers }, async () => {
      await this.#buy().catch((error: unknown) => this.#failures.push(error));
    });
  }

  allow(purchases: number): void {
    this.#allowed = this.#begun + purchases;
  }

  async finish(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#all);
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async askAgain(): Promise<void> {
    await together(askAgainTogether, [...this.accepted], async ([orderId, ask]) => {
      if (this.cancelled.has(orderId)) return;
      const { status, body } = await this.#known(ask);
      if (status === 200 && body.orderId === orderId) return;
      throw new Error(`an acceptance was not repeated: ${status} ${JSON.stringify(body)}`);
    });
    // Who was refused may have been sold to by an earlier try, which took long.
    await together(askAgainTogether, this.#refused.splice(0), async (ask) => {
      const { status, body } = await this.#known(ask);
      if (status === 200) this.accepted.set(String(body.orderId), ask);
    });
  }

  async #buy(): Promise<void> {
    const { thinkMs = 0 } = this.#options;
    for (;;) {
      while (this.#begun >= this.#allowed && !this.#isOver) await setTimeout(5);
      if (this.#isOver) return;
      this.#begun += 1;
      await this.#buyOne({
        userId: `buyer-${this.#begun}`,
        key: randomBytes(12).toString('base64url'),
      });
      if (thinkMs > 0) await setTimeout(thinkMs);
    }
  }

  async #buyOne(ask: Ask): Promise<void> {
    const askedAtMs = performance.now();
    const { status, body } = await this.#known(ask);
    this.longestMs = Math.max(this.longestMs, performance.now() - askedAtMs);
    if (status === 200 || status === 202) {
      this.accepted.set(String(body.orderId), ask);
      this.acceptedAtMs.push(performance.now());
    } else if (status === 409 || status === 410) {
      this.#refused.push(ask);
    } else {
      throw new Error(`a buyer was told ${status} ${JSON.stringify(body)}`);
    }
  }

  /** Asks until there is an answer, and not that an operator has paused the sale. */
  async #known(ask: Ask): Promise<Answer> {
    const deadline = performance.now() + knownWithinMs;
    for (;;) {
      const answer = await askFor(this.#fleet, this.#options.productId, ask);
      const isUnknown = [0, 429, 503].includes(answer.status);
      if (isUnknown) this.unknownAtMs.push(performance.now());
      else if (answer.body.outcome !== 'paused') return answer;
      if (performance.now() > deadline) {
        throw new Error(`a buyer did not learn what became of it: ${JSON.stringify(answer)}`);
      }
      await setTimeout(askAgainAfterMs);
    }
  }
}

/** Does `work` for all, so many at the same time. */
async function together<T>(
  count: number,
  all: readonly T[],
  work: (one: T) => Promise<void>,
): Promise<void> {
  const left = all.values();
  const worker = async () => {
    for (const one of left) await work(one);
  };
  await Promise.all(Array.from({ length: count }, worker));
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Status 0 where there was no answer. */
async function askFor(fleet: Fleet, productId: string, { userId, key }: Ask): Promise<Answer> {
  try {
    const response = await fetch(`${fleet.url}/api/products/${productId}/purchase`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${tokenOf(fleet, userId)}`,
        'idempotency-key': key,
        'content-type': 'application/json',
      },
      body: '{"quantity":1}',
      signal: AbortSignal.timeout(answerTimeoutMs),
    });
    return { status: response.status, body: (await response.json()) as Answer['body'] };
  } catch {
    return { status: 0, body: {} };
  }
}

export function tokenOf(fleet: Reachable, userId: string, isOperator = false): string {
  const issuedAt = Math.floor(Date.now() / 1_000);
  return signToken(String(fleet.env.SECKILL_JWT_KEY), {
    ...{ userId, isOperator, issuedAt, issuer: 'seckill', audience: 'seckill' },
    expiresAt: issuedAt + 3_600,
  });
}
