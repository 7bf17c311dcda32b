// A small JSON object from a request's body, never more than a bound in memory, and every fault
// named. Not hono's bodyLimit(): it costs three quarters of the throughput (it streams).

import { type Answer, refuse } from './answers.ts';

export type BodyRead =
  | { readonly members: Readonly<Record<string, unknown>> }
  | { readonly fault: Answer };

const jsonTypePattern = /^application\/json *(?:; *charset="?utf-8"? *)?$/i;

/** The members of the JSON object in the body, at most `bytesMax` long. */
export async function readJsonObject(request: Request, bytesMax: number): Promise<BodyRead> {
  const text = await readBody(request, bytesMax);
  if (typeof text !== 'string') return { fault: text };
  if (text === '') return { fault: refuse('malformed', { detail: 'body: is missing' }) };
  const type = request.headers.get('content-type');
  if (type === null || !jsonTypePattern.test(type)) {
    return { fault: refuse('wrong_type', { detail: 'content-type: must be application/json' }) };
  }
  if (request.headers.has('content-encoding')) {
    return { fault: refuse('wrong_type', { detail: 'content-encoding: must not be set' }) };
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { fault: refuse('malformed', { detail: 'body: is not JSON' }) };
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return { fault: refuse('malformed', { detail: 'body: must be a JSON object' }) };
  }
  return { members: parsed as Record<string, unknown> };
}

/** The body as text, '' where there is none. */
export async function readBody(request: Request, bytesMax: number): Promise<string | Answer> {
  const length = request.headers.get('content-length');
  const tooLarge = () => refuse('too_large', { detail: `body: more than ${bytesMax} bytes` });
  if (length !== null && Number(length) > bytesMax) return tooLarge();
  const reading = length === null ? readBounded(request, bytesMax) : request.text();
  // It fails where the client goes away in the middle, and then nobody reads the answer.
  const text = await reading.catch(() => '');
  return text ?? tooLarge();
}

/** A body that does not say how long it is; `undefined` once it is longer than it may be. */
async function readBounded(request: Request, bytesMax: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (request.body !== null) {
    for await (const chunk of request.body as ReadableStream<Uint8Array>) {
      bytes += chunk.byteLength;
      if (bytes > bytesMax) return undefined;
      chunks.push(chunk);
    }
  }
  return Buffer.concat(chunks).toString();
}
