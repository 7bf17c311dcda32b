// The HTTP side of `purchase` for tests: an app on the bench's stores, and signed calls to it.

import { randomUUID } from 'node:crypto';
import { vi } from 'vitest';
import { recordBatch } from '#lib/board/board.ts';
import { check } from '#lib/checker/check.ts';
import { collectFacts } from '#lib/checker/collect.ts';
import { etcdNames, readEnvironment } from '#lib/environment.ts';
import { etcdAccessOf } from '#lib/etcd/access.ts';
import { createReadiness } from '#lib/http/serve.ts';
import {
  operationHeader,
  operatorHeader,
  sign,
  signatureHeader,
  subjectOf,
} from '#lib/http/signature.ts';
import { type AppDependencies, createApp } from '../app.ts';
import { createDeadLetters } from '../dead-letters/dead-letters.ts';
import { createDoctor } from '../doctor/doctor.ts';
import { createDecide } from '../purchase.ts';
import { createUpkeep, drainAll } from '../tick.ts';
import { type Bench, type Instance, log } from './purchase-fixture.ts';

export interface Call {
  readonly body?: unknown;
  /** Who acts, on `/operator/*`. */
  readonly operator?: string;
  readonly operationId?: string;
  readonly keys?: readonly string[];
  /** Sent instead of, or besides, what belongs to a signed request. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // The tests say what they expect in it.
  readonly body: Record<string, unknown>;
}

export interface TestApp {
  /** `call('GET', '/products')`: signed as the edge signs. */
  call(method: string, path: string, call?: Call): Promise<Answer>;
  /** `operate('sales/p/open')` with an operation id of its own unless one is given. */
  operate(path: string, call?: Call): Promise<Answer>;
  request(path: string, init: RequestInit): Promise<Answer>;
  /** What it serves, like `GET /products/:productId`. */
  readonly routes: readonly string[];
}

export function openApp(
  bench: Bench,
  { seller }: Pick<Instance, 'seller'>,
  overrides: Partial<AppDependencies> = {},
): TestApp {
  const { redis, mysql, kafka, signingKeys } = bench;
  const stores = { redis: overrides.redis ?? redis, mysql: overrides.mysql ?? mysql };
  const app = createApp({
    ...stores,
    seller,
    decide: createDecide({ ...stores, seller }),
    verify: async (productId) =>
      check(await collectFacts({ ...stores, kafka, signingKeys }, productId)),
    tick: createUpkeep(
      () => drainAll({ ...stores, seller, log }),
      () => Promise.resolve(0),
      log,
    ).tick,
    deadLetters: createDeadLetters({ ...stores, kafka, signingKeys }),
    doctor: createDoctor({ ...stores, etcd: etcdAccessOf(readEnvironment(etcdNames)), kafka }),
    reconcile: () => Promise.reject(new Error('not of this test')),
    signingKeys,
    readiness: createReadiness(),
    log,
    ...overrides,
  });
  const request = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await app.request(path, init);
    const text = await response.text();
    const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: response.status, headers: response.headers, body };
  };
  const call = (method: string, path: string, given: Call = {}): Promise<Answer> => {
    const body = given.body === undefined ? '' : JSON.stringify(given.body);
    const operator = given.operator === undefined ? undefined : encodeURIComponent(given.operator);
    const { operationId } = given;
    const subject = subjectOf({ method, path, operator, operationId });
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      [signatureHeader]: sign(given.keys ?? signingKeys, subject, body),
      ...given.headers,
    };
    if (operator !== undefined) headers[operatorHeader] = operator;
    if (operationId !== undefined) headers[operationHeader] = operationId;
    return request(path, { method, headers, ...(body === '' ? {} : { body }) });
  };
  return {
    call,
    request,
    routes: app.routes.map(({ method, path }) => `${method} ${path}`),
    operate: (path, given) =>
      call('POST', `/operator/${path}`, {
        operator: 'Ольга',
        operationId: randomUUID(),
        ...given,
      }),
  };
}

/** The verdict once every event has come to its row and to the boards. */
export async function verdictOf(
  bench: Bench,
  app: TestApp,
  productId: string,
): Promise<Record<string, unknown>> {
  await bench.persistAll(productId);
  for (const { event } of await bench.published(productId)) await recordBatch(bench.redis, event);
  const path = `/operator/sales/${productId}/verify`;
  // A Kafka that has just started has no coordinator of groups for a while.
  const patience = { timeout: 20_000, interval: 100 };
  return vi.waitFor(async () => {
    const { status, body } = await app.call('GET', path, { operator: 'ann' });
    if (status !== 200) throw new Error(String(body.detail));
    return body;
  }, patience);
}

/** A Redis that is away for the scripts whose arguments are meant, for as long as they are. */
export function failingRedis<Client extends object>(
  redis: Client,
  fails: (args: readonly unknown[]) => boolean,
): Client {
  return new Proxy(redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (name === 'evalsha' && fails(args)) return Promise.reject(new Error('Redis is away'));
        return value.apply(target, args) as unknown;
      };
    },
  });
}
