// Asks the edge's operator API. Whatever goes wrong becomes one line that says what to do.

import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { CliError, exits } from './exit.ts';
import { fetchThrough } from './gateway.ts';
import { printable } from './table.ts';
import type { Target } from './target.ts';

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: object;
  readonly timeoutMs?: number;
  /** Of a command that sends several: each part is made once, like a whole one. */
  readonly part?: number;
  /** How long a 503 is asked again; nothing was decided then, or the same is decided again. */
  readonly retryForMs?: number;
}

export interface Edge {
  /** Where it is, as far as that is known: it is looked for when something is asked. */
  readonly url: string;
  /** The JSON of the answer. Throws EdgeError. */
  ask<T>(request: Request): Promise<T>;
  /** The operation id that this part of the command carries. */
  operationIdOf(part: number): string;
}

/** An edge that was found. */
export interface Found {
  readonly target: Target;
  readonly token: string;
}

export interface EdgeOptions {
  /** Finds the edge when it is first asked something. Throws CliError where there is none. */
  readonly find: () => Promise<Found>;
  readonly interrupted: AbortSignal;
  /** Says on standard error what is waited for. */
  readonly say: (text: string) => void;
}

/** The edge could not be asked, or refused: then `outcome` is the stable member of its problem. */
export class EdgeError extends CliError {
  override readonly name = 'EdgeError';

  constructor(message: string, outcome?: string, members: Readonly<Record<string, unknown>> = {}) {
    super(message, exits.failed, { members, ...(outcome === undefined ? {} : { outcome }) });
  }
}

const timeoutMs = 15_000;
/** Whoever waits for longer is told for what. */
const silentMs = 1_000;
const retryForMs = 10_000;
const retryAfterMaxSeconds = 5;
/** Half of what a token of our own is good for: who waits for longer signs another. */
const connectionKeptMs = 300_000;

export function createEdge({ find, interrupted, say }: EdgeOptions): Edge {
  let url = 'the system';

  async function connect(): Promise<Connection> {
    const { target, token } = await find();
    url = target.url;
    const { gateway } = target;
    const through = gateway === undefined ? fetch : await fetchThrough(gateway);
    return { target, token, fetch: through as typeof fetch };
  }

  const connection = keptFor(connectionKeptMs, connect);
  // One command is one operation: whatever is sent again carries the same id.
  const operationId = randomUUID();

  const operationIdOf = (part?: number) =>
    part === undefined ? operationId : `${operationId}-${part}`;

  async function send(request: Request): Promise<Response> {
    const { method, path, body } = request;
    const { token, target, fetch: fetchFrom } = await connection();
    const headers: Record<string, string> = {
      accept: 'application/json',
      authorization: `Bearer ${token}`,
    };
    if (method !== 'GET') headers['operation-id'] = operationIdOf(request.part);
    if (body !== undefined) headers['content-type'] = 'application/json';
    const timeout = AbortSignal.timeout(request.timeoutMs ?? timeoutMs);
    const impatience = globalThis.setTimeout(say, silentMs, `waiting for ${url} to answer`);
    try {
      return await fetchFrom(`${url}${path}`, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        redirect: 'error',
        signal: AbortSignal.any([interrupted, timeout]),
      });
    } catch (error) {
      interrupted.throwIfAborted();
      throw new EdgeError(
        timeout.aborted
          ? `${url} took the request and has not answered in time. Perhaps a function behind it ` +
              'hangs: look at its log, or ask again'
          : `cannot reach ${url}: ${reasonOf(error)}. ${hintOf(target)}`,
        'unreachable',
      );
    } finally {
      clearTimeout(impatience);
    }
  }

  return {
    get url() {
      return url;
    },
    operationIdOf,
    async ask<T>(request: Request): Promise<T> {
      const deadline = performance.now() + (request.retryForMs ?? retryForMs);
      for (;;) {
        const response = await send(request);
        if (response.ok) return readJson<T>(response, url);
        const error = await problemOf(response, url);
        if (response.status !== 503) throw error;
        const seconds = Number(response.headers.get('retry-after') ?? 1);
        const pauseMs = Math.min(seconds || 1, retryAfterMaxSeconds) * 1_000;
        if (performance.now() + pauseMs > deadline) throw error;
        say(`${error.message}; trying again`);
        await setTimeout(pauseMs, undefined, { signal: interrupted });
      }
    },
  };
}

/** Makes it when it is first asked for, and anew when it is older than that. */
function keptFor<T>(keptMs: number, make: () => Promise<T>): () => Promise<T> {
  let made: { readonly it: Promise<T>; readonly at: number } | undefined;
  return () => {
    const now = performance.now();
    if (made === undefined || now - made.at > keptMs) made = { it: make(), at: now };
    return made.it;
  };
}

interface Connection extends Found {
  readonly fetch: typeof fetch;
}

/** What to do where nobody answers. */
function hintOf({ kind, gateway }: Target): string {
  if (gateway !== undefined) return `Is ${gateway} (--gateway, SECKILL_GATEWAY) the right gateway?`;
  if (kind === 'cluster') {
    return (
      'That is the route in the cluster. Where no name server knows it, name the address of the ' +
      'ingress with --gateway or SECKILL_GATEWAY'
    );
  }
  return 'Is it running? Start it with `npm start`, or name another with --url or SECKILL_URL';
}

async function readJson<T>(response: Response, url: string): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch {
    throw new EdgeError(`${url} did not answer as seckill does. Is it the right address?`);
  }
}

interface Problem {
  readonly title?: unknown;
  readonly detail?: unknown;
  readonly outcome?: unknown;
}

async function problemOf(response: Response, url: string): Promise<EdgeError> {
  const { status } = response;
  const problem = (await response.json().catch(() => ({}))) as Problem | null;
  const outcome = typeof problem?.outcome === 'string' ? problem.outcome : undefined;
  if (outcome === undefined) {
    return new EdgeError(
      `${url} answered ${status}, not as seckill does. Is it the right address?`,
    );
  }
  const message = `${textOf(problem, outcome)}${hints[outcome] ?? ''}`;
  const title = typeof problem?.title === 'string' ? { title: problem.title } : {};
  return new EdgeError(message, outcome, { ...title, status });
}

/** Title and detail; of a 503 the detail alone, since its title speaks to buyers. */
function textOf(problem: Problem | null, outcome: string): string {
  const { title, detail } = problem ?? {};
  const texts = outcome === 'unavailable' && detail !== undefined ? [detail] : [title, detail];
  return texts
    .filter((text) => typeof text === 'string')
    .map((text) => printable(text).replace(/\.$/, ''))
    .join(': ');
}

const hints: Readonly<Record<string, string>> = {
  unauthenticated: '. Is SECKILL_JWT_KEY the key of this system?',
  forbidden: '. Operators need a token whose scope contains "operator"',
  unknown_product: '. `kn-seckill sale list` shows what there is',
};

/** Why fetch failed: the system's own words, like `connect ECONNREFUSED 127.0.0.1:8080`. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  if (cause instanceof AggregateError) {
    const [first] = cause.errors as unknown[];
    return reasonOf({ cause: first, message });
  }
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}
