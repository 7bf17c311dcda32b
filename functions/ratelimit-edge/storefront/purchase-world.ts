// For tests of a purchase: a server that keeps its promises behind a network that does not, and
// pages that can die between any two steps and leave nothing behind but what they stored.

import { createApi } from './api.ts';
import { createManualTimers, type ManualTimers, settle } from './manual-timers.ts';
import { createPurchaseFlow, type FlowState, type PurchaseFlow } from './purchase-flow.ts';
import { createPurchaseStore } from './purchase-store.ts';

/** What becomes of one request. */
export type Fault =
  | 'none'
  | 'lost_before'
  | 'lost_after'
  | 'late'
  | 'busy'
  | 'unavailable'
  | 'gateway';

export interface World {
  readonly timers: ManualTimers;
  readonly storage: Storage;
  /** One for each request; none when they are used up. */
  readonly faults: Fault[];
  /** Accepted orders: the key of each with its quantity. */
  readonly orders: Map<string, number>;
  /** Every request that the server saw. */
  readonly requests: { readonly key: string; readonly quantity: number }[];
  /** Answers instead of selling, while set. */
  refusal: { readonly status: number; readonly body: Record<string, unknown> } | undefined;
}

export interface TestPage {
  readonly flow: PurchaseFlow;
  readonly states: FlowState[];
  /** Steps so far: each use of the store, the network or a timer, each word to the buyer. */
  readonly steps: number;
  readonly isDead: boolean;
  die(): void;
}

export const deviceStartMs = 1_763_800_000_000;
const timeoutMs = 12_000;

export function createWorld(faults: readonly Fault[] = [], random?: () => number): World {
  return {
    timers: createManualTimers(random),
    storage: memoryStorage(),
    faults: [...faults],
    orders: new Map(),
    requests: [],
    refusal: undefined,
  };
}

/** A page of the sale; it dies when it is about to take step number `diesAt`. */
export function openPage(world: World, diesAt = Number.POSITIVE_INFINITY): TestPage {
  let steps = 0;
  let isDead = false;
  const states: FlowState[] = [];
  const die = () => {
    isDead = true;
    world.timers.dropAll();
  };
  const survives = () => {
    steps += 1;
    if (steps >= diesAt) die();
    return !isDead;
  };
  const step = () => {
    if (!survives()) throw new Error('the page is gone');
  };
  const { timers } = world;
  const api = createApi({
    nowMs: () => timers.nowMs(),
    token: () => 'token',
    async fetch(_input, init) {
      step();
      const answer = await serve(world, init);
      step();
      return answer;
    },
  });
  const flow = createPurchaseFlow({
    productId: 'teapot',
    userId: 'alice',
    store: createPurchaseStore(watched(world.storage, step), 'teapot', 'alice'),
    send: (purchase) => (isDead ? new Promise(() => undefined) : api.purchase(purchase)),
    timers: {
      ...timers,
      after(waitMs, run) {
        if (isDead) return () => undefined;
        return timers.after(waitMs, () => {
          if (survives()) run();
        });
      },
    },
    serverNowMs: () => deviceStartMs + timers.nowMs(),
    deviceNowMs: () => deviceStartMs + timers.nowMs(),
    newKey: () => crypto.randomUUID(),
    onChange: (state) => {
      if (survives()) states.push(state);
    },
  });
  return {
    flow,
    states,
    get steps() {
      return steps;
    },
    get isDead() {
      return isDead;
    },
    die,
  };
}

async function serve(world: World, init: RequestInit | undefined): Promise<Response> {
  const key = new Headers(init?.headers).get('idempotency-key') ?? '';
  const { quantity } = JSON.parse(init?.body as string) as { quantity: number };
  const fault = world.faults.shift() ?? 'none';
  await settle();
  if (fault === 'lost_before') throw new TypeError('Failed to fetch');
  world.requests.push({ key, quantity });
  if (fault === 'busy') return problem(429, { outcome: 'rate_limited' }, { 'retry-after': '2' });
  if (fault === 'unavailable') {
    return problem(503, { outcome: 'unavailable' }, { 'retry-after': '1' });
  }
  if (fault === 'gateway') return new Response('<h1>Bad Gateway</h1>', { status: 502 });
  const answer = decide(world, key, quantity);
  if (fault === 'lost_after') throw new TypeError('Failed to fetch');
  if (fault === 'late') {
    await new Promise<void>((resolve) => {
      world.timers.after(timeoutMs, resolve);
    });
    throw new DOMException('took too long', 'TimeoutError');
  }
  return answer;
}

function decide(world: World, key: string, quantity: number): Response {
  const before = world.orders.get(key);
  if (before !== undefined && before !== quantity) return problem(422, { outcome: 'key_reused' });
  if (before === undefined) {
    if (world.refusal !== undefined) return problem(world.refusal.status, world.refusal.body);
    world.orders.set(key, quantity);
  }
  const body = { orderId: `teapot.${key}`, productId: 'teapot', quantity };
  return Response.json(body, { status: before === undefined ? 202 : 200 });
}

function problem(status: number, body: object, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers });
}

/** A store whose every use is a step. */
function watched(storage: Storage, step: () => void): Storage {
  return new Proxy(storage, {
    get(target, name) {
      if (name === 'getItem' || name === 'setItem' || name === 'removeItem') {
        return (...values: [string, string]) => {
          step();
          return target[name](...values);
        };
      }
      return Reflect.get(target, name) as unknown;
    },
  });
}

/** `localStorage` as far as the page uses it. */
export function memoryStorage(): Storage {
  const values: Record<string, string> = {};
  const methods = {
    getItem: (name: string) => values[name] ?? null,
    setItem: (name: string, value: string) => {
      values[name] = value;
    },
    removeItem: (name: string) => {
      Reflect.deleteProperty(values, name);
    },
  };
  return new Proxy(values, {
    get: (target, name) =>
      name in methods ? methods[name as keyof typeof methods] : target[String(name)],
  }) as unknown as Storage;
}
