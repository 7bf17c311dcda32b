// Sends thousands of requests that are no event to a sink on its port, and says what it should not
// have answered. The same seed sends the same requests.

import { connect } from 'node:net';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { Pool } from 'undici';
import type { EventRequest } from '#lib/testing/order-events.ts';
import { type FuzzedEvent, fuzzedEvents } from './events.ts';
import { type FuzzedBytes, fuzzedBytes } from './http.ts';

export interface FuzzOptions {
  readonly url: string;
  readonly count: number;
  readonly seed: number;
  /** An event that the sink has consumed already. */
  readonly known: EventRequest;
  readonly keys: readonly string[];
}

export interface FuzzResult {
  /** How often each status was answered; `closed` where it was none. */
  readonly statuses: ReadonlyMap<number | 'closed', number>;
  /** What is wrong, and how to send it again. */
  readonly faults: readonly string[];
}

/** So many are sent at a time. */
const inFlightMax = 32;
/** Longer than the server bears a request that does not come to its end. */
const answerWithinMs = 45_000;

/** Resolves when all have been answered, or their connections closed. */
export async function fuzzSink(options: FuzzOptions): Promise<FuzzResult> {
  const { url, count, seed, known, keys } = options;
  const anyRequest = fc.oneof(
    { arbitrary: fuzzedEvents(known, keys), weight: 3 },
    { arbitrary: fuzzedBytes(), weight: 1 },
  );
  const requests = fc.sample(anyRequest, { numRuns: count, seed });
  const pool = new Pool(url, { connections: inFlightMax });
  const statuses = new Map<number | 'closed', number>();
  const faults: string[] = [];
  let next = 0;
  const sendOn = async () => {
    for (let index = next++; index < requests.length; index = next++) {
      const request = requests[index];
      if (request === undefined) return;
      const answered = await (request.kind === 'event'
        ? sendEvent(pool, request)
        : sendBytes(url, request));
      for (const status of answered.statuses) statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (answered.fault !== undefined) {
        faults.push(`${answered.fault}: request ${index} of seed ${seed}: ${shown(request)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: inFlightMax }, sendOn));
  await pool.destroy();
  return { statuses, faults };
}

interface Answered {
  readonly statuses: readonly (number | 'closed')[];
  readonly fault?: string;
}

async function sendEvent(pool: Pool, request: FuzzedEvent): Promise<Answered> {
  const { headers, body, chunked, allowed } = request;
  try {
    const answer = await pool.request({
      ...{ method: 'POST', path: '/' },
      headers: headers.flatMap(([name, value]) => [name, value]),
      signal: AbortSignal.timeout(answerWithinMs),
      body: chunked ? Readable.from(chunksOf(body)) : body,
    });
    const text = await answer.body.text();
    const status = answer.statusCode;
    if (!allowed.includes(status)) {
      return { statuses: [status], fault: `${status} ${text}, not ${allowed.join(' or ')}` };
    }
    return { statuses: [status] };
  } catch (error) {
    return { statuses: ['closed'], fault: `no answer (${String(error)})` };
  }
}

function chunksOf(body: Buffer): Buffer[] {
  const size = Math.max(1, Math.ceil(body.length / 3));
  return [0, size, 2 * size].map((at) => body.subarray(at, at + size));
}

/** What bytes that are no event may be answered; a bad request has no status of its own. */
const allowedForBytes = new Set([100, 200, 400, 404, 405, 413, 422]);

async function sendBytes(url: string, { bytes, isPostToSink }: FuzzedBytes): Promise<Answered> {
  const text = await exchange(Number(new URL(url).port), bytes);
  if (text === undefined) return { statuses: [], fault: 'neither answered nor closed' };
  const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
  const wrong = statuses.find((status) => !allowedForBytes.has(status));
  if (wrong !== undefined) return { statuses, fault: `${wrong} ${text.slice(0, 400)}` };
  const [first] = statuses.filter((status) => status !== 100);
  if (isPostToSink && first !== undefined && ![400, 413, 422].includes(first)) {
    return { statuses, fault: `${first} to a POST` };
  }
  return { statuses: statuses.length > 0 ? statuses : ['closed'] };
}

/** All that comes back until the other side closes; undefined where it does not in time. */
function exchange(port: number, bytes: Buffer): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.end(bytes);
    });
    socket.setTimeout(answerWithinMs, () => {
      resolve(undefined);
      socket.destroy();
    });
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    // The server may close before it has read all that was sent.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve(text);
    });
  });
}

function shown(request: FuzzedEvent | FuzzedBytes): string {
  const text =
    request.kind === 'bytes'
      ? JSON.stringify(request.bytes.toString('latin1'))
      : `${JSON.stringify(request.headers)} ${request.body.toString()}`;
  return text.length > 2_000 ? `${text.slice(0, 2_000)}… (${text.length})` : text;
}
