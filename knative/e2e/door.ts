// The way in, as a buyer's browser has it: the public route, through the gateway where there is one.
// Where one gateway does not answer, the next request takes another, as a load balancer would.

import { Agent, request } from 'undici';

export interface Answer {
  /** 0: no answer came. */
  readonly status: number;
  /** The stable member of a problem; of no answer, why. */
  readonly outcome: string;
  readonly orderId: string;
  readonly retryAfterMs: number;
}

export interface Door {
  purchase(
    productId: string,
    { token, key }: { readonly token: string; readonly key: string },
  ): Promise<Answer>;
  /** The status of a GET; 0 where there is no answer. */
  look(path: string): Promise<number>;
  close(): Promise<void>;
}

export interface DoorOptions {
  /** The route, as Knative says it: `http://ratelimit-edge.seckill.example.com`. */
  readonly route: string;
  readonly gateways: readonly string[];
}

/** As the page has it: it waits a little longer than the edge takes to say that it doesn't know. */
const answerTimeoutMs = 12_000;
const connectTimeoutMs = 4_000;
/** Below every proxy's own, so that no request meets a connection that is being closed. */
const keepAliveMs = 3_000;

export function openDoor({ route, gateways }: DoorOptions): Door {
  const { host } = new URL(route);
  const ways = gateways.length > 0 ? [...gateways] : [route.replace(/\/+$/, '')];
  let way = 0;
  const agent = new Agent({
    connect: { timeout: connectTimeoutMs },
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    pipelining: 1,
  });

  async function send(path: string, init: Parameters<typeof request>[1]) {
    const used = way;
    try {
      const response = await request(`${ways[used % ways.length] ?? route}${path}`, {
        ...init,
        headers: { ...(init?.headers as Record<string, string>), host },
        dispatcher: agent,
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
      return { response, text: await response.body.text() };
    } catch (error) {
      if (way === used) way += 1;
      throw error;
    }
  }

  return {
    async purchase(productId, { token, key }) {
      try {
        const { response, text } = await send(`/api/products/${productId}/purchase`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'idempotency-key': key,
            'content-type': 'application/json',
          },
          body: '{"quantity":1}',
        });
        const { orderId, outcome } = bodyOf(text);
        const retryAfter = Number(response.headers['retry-after'] ?? 0);
        const retryAfterMs = Number.isFinite(retryAfter) ? retryAfter * 1_000 : 0;
        return { status: response.statusCode, orderId, outcome, retryAfterMs };
      } catch (error) {
        return { status: 0, outcome: reasonOf(error), orderId: '', retryAfterMs: 0 };
      }
    },
    async look(path) {
      try {
        return (await send(path, {})).response.statusCode;
      } catch {
        return 0;
      }
    },
    close: () => agent.destroy(),
  };
}

/** Of a proxy's own error, which is no JSON, the first words tell who spoke. */
function bodyOf(text: string): { readonly orderId: string; readonly outcome: string } {
  try {
    const { orderId, outcome } = JSON.parse(text) as Record<string, unknown>;
    const textOf = (value: unknown) => (typeof value === 'string' ? value : '');
    return { orderId: textOf(orderId), outcome: textOf(outcome) };
  } catch {
    return { orderId: '', outcome: `not ours: ${text.trim().slice(0, 60)}` };
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
