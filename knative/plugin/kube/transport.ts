// Requests to the API server: each with a deadline, one repetition with fresh credentials, and
// answers that are errors told in one line.

import { fetch, type Response } from 'undici';
import type { Proxied } from './client.ts';
import type { Credentials } from './credentials.ts';
import { type Asked, errorOfAnswer, KubeError } from './errors.ts';

export interface Request extends Asked {
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: object;
  readonly type?: string;
}

export interface Transport {
  /** The JSON of the answer. Throws KubeError. */
  ask(request: Request): Promise<unknown>;
  /** Throws KubeError where the API server itself refuses, or cannot reach it. */
  proxied(where: Proxied & { namespace: string }): Promise<{ status: number; text: string }>;
  /** What its answers are dated, epoch milliseconds; undefined where they are not. */
  now(): Promise<number | undefined>;
}

interface Init {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

const timeoutMs = 30_000;
const methods: Readonly<Record<string, string>> = {
  ...{ get: 'GET', list: 'GET', create: 'POST', patch: 'PATCH', delete: 'DELETE' },
};

export function createTransport(
  credentials: Credentials,
  interrupted: AbortSignal | undefined,
): Transport {
  const never = new AbortController().signal;

  async function sendOnce(path: string, init: Init, waitMs: number): Promise<Response> {
    const timeout = AbortSignal.timeout(waitMs);
    const dispatcher = await credentials.dispatcher();
    try {
      return await fetch(`${credentials.server}${path}`, {
        ...init,
        headers: { ...init.headers, ...(await credentials.headers()) },
        redirect: 'error',
        signal: AbortSignal.any([timeout, interrupted ?? never]),
        ...(dispatcher === undefined ? {} : { dispatcher }),
      });
    } catch (error) {
      interrupted?.throwIfAborted();
      throw unreachable(credentials.server, timeout.aborted ? undefined : error);
    }
  }

  async function send(path: string, init: Init, waitMs: number): Promise<Response> {
    const response = await sendOnce(path, init, waitMs);
    if (response.status !== 401) return response;
    await response.body?.cancel();
    credentials.renew();
    return sendOnce(path, init, waitMs);
  }

  return {
    async ask({ verb, resource, namespace, path, query, body, type }) {
      const headers: Record<string, string> = { accept: 'application/json' };
      if (body !== undefined) headers['content-type'] = type ?? 'application/json';
      const init = {
        ...{ method: methods[verb] ?? 'GET', headers },
        body: body === undefined ? null : JSON.stringify(body),
      };
      const response = await send(`${path}${queryOf(query)}`, init, timeoutMs);
      const text = await response.text();
      if (response.ok) return JSON.parse(text) as unknown;
      throw errorOfAnswer(response.status, text, { verb, resource, namespace }, credentials.user);
    },
    async proxied({ pod, service, port, path, namespace, headers = {}, timeoutMs: waitMs }) {
      const target = pod === undefined ? `services/${service ?? ''}` : `pods/${pod}`;
      const whole = `/api/v1/namespaces/${namespace}/${target}:${port}/proxy${path}`;
      const init = { method: 'GET', headers, body: null };
      const response = await send(whole, init, waitMs ?? timeoutMs);
      const text = await response.text();
      if (isOwnRefusal(response, text)) {
        const resource = pod === undefined ? 'services/proxy' : 'pods/proxy';
        const asked = { verb: 'get', resource, namespace };
        throw errorOfAnswer(response.status, text, asked, credentials.user);
      }
      return { status: response.status, text };
    },
    async now() {
      const init = { method: 'GET', headers: { accept: 'application/json' }, body: null };
      const response = await send('/version', init, timeoutMs);
      await response.body?.cancel();
      const atMs = Date.parse(response.headers.get('date') ?? '');
      // Dates are of whole seconds: half of one is what it has gone on since, on average.
      return Number.isNaN(atMs) ? undefined : atMs + 500;
    },
  };
}

function queryOf(query: Request['query'] = {}): string {
  const entries = Object.entries(query).filter((entry): entry is [string, string] => !!entry[1]);
  return entries.length === 0 ? '' : `?${new URLSearchParams(entries).toString()}`;
}

/** Said by the API server, in its Status, and not by what it passes on. */
function isOwnRefusal(response: Response, text: string): boolean {
  const type = response.headers.get('content-type') ?? '';
  if (response.ok || !type.startsWith('application/json')) return false;
  return /"kind":\s*"Status"/.test(text) && /"apiVersion":\s*"v1"/.test(text);
}

/** `error` is undefined where it took too long. */
function unreachable(server: string, error: unknown): KubeError {
  const { cause, message } = (error ?? {}) as { cause?: { message?: string }; message?: string };
  const why = error === undefined ? 'it does not answer' : cause?.message || message;
  const hint = 'Is that the right cluster (--context, KUBECONFIG)?';
  return new KubeError(`cannot ask the API server ${server}: ${why}. ${hint}`, 0, 'Unreachable');
}
