// What operators ask. The limits are the edge's own; all else goes on to `purchase` unchanged,
// signed together with who acts, and only for a token whose scope contains `operator`.

import { limitSchema, readLimits, setLimit, type Tier, tiers } from '#lib/buckets/limits.ts';
import type { Limit } from '#lib/buckets/take.ts';
import { operationHeader } from '#lib/http/signature.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { type Answer, apiHeaders, json, refuse } from './answers.ts';
import { readBody, readJsonObject } from './body.ts';
import { type PurchaseClient, type PurchaseResponse } from './purchase-client.ts';
import { faultOfProductId } from './purchase-request.ts';
import { fromRedis, Unavailable } from './unavailable.ts';

const bodyBytesMax = 65_536;
/** A sale is verified by reading its whole topic. */
const timeoutMs = 60_000;

interface DependsOn {
  readonly redis: RedisClient;
  readonly purchase: PurchaseClient;
  readonly log: Log;
}

export interface Operator {
  limits(): Promise<Response>;
  /** PUT sets a limit, DELETE puts the default back; the answer is all limits. */
  changeLimit(request: Request, tier: string): Promise<Response>;
  /** Everything else. */
  pass(request: Request, operatorId: string): Promise<Response>;
}

export function createOperator({ redis, purchase, log }: DependsOn): Operator {
  const limits = async () => {
    const { products, ...tierLimits } = await fromRedis(readLimits(redis));
    return json(JSON.stringify({ ...tierLimits, products: Object.fromEntries(products) }));
  };
  return {
    limits,
    async changeLimit(request, tierGiven) {
      const asked = readTarget(tierGiven, new URL(request.url).searchParams);
      if ('response' in asked) return asked.response;
      const read = request.method === 'DELETE' ? { limit: null } : await readLimit(request);
      if ('response' in read) return read.response;
      await fromRedis(setLimit(redis, asked, read.limit));
      const operationId = request.headers.get(operationHeader)?.slice(0, 64);
      log.info({ ...asked, ...read, operationId }, 'a limit was changed');
      return limits();
    },
    async pass(request, operatorId) {
      const body = await readBody(request, bodyBytesMax);
      if (typeof body !== 'string') return body.response;
      const { pathname, search } = new URL(request.url);
      const response = await purchase.request({
        method: request.method,
        path: `${pathname}${search}`,
        headers: headersOf(request),
        body,
        operatorId,
        operationId: request.headers.get(operationHeader) ?? undefined,
        timeoutMs,
      });
      return relay(response);
    },
  };
}

interface Target {
  readonly tier: Tier;
  readonly productId?: string;
}

function readTarget(tierGiven: string, query: URLSearchParams): Target | Answer {
  const tier = tiers.find((name) => name === tierGiven);
  if (tier === undefined) {
    return refuse('not_found', { detail: `tier: must be one of ${tiers.join(', ')}` });
  }
  const productId = query.get('product');
  if (productId === null) return { tier };
  if (tier !== 'product') {
    return refuse('malformed', { detail: 'product: only the tier "product" has limits of one' });
  }
  return faultOfProductId(productId) ?? { tier, productId };
}

async function readLimit(request: Request): Promise<{ limit: Limit } | Answer> {
  const body = await readJsonObject(request, bodyBytesMax);
  if ('fault' in body) return body.fault;
  const parsed = limitSchema.safeParse(body.members);
  if (parsed.success) return { limit: parsed.data };
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  return refuse('malformed', { detail: faults.join('; ') });
}

function headersOf(request: Request): Record<string, string> {
  const type = request.headers.get('content-type');
  return type === null ? {} : { 'content-type': type };
}

/** What `purchase` says, as it says it; a refused signature is our fault, not the operator's. */
function relay({ status, headers, body }: PurchaseResponse): Response {
  if (status === 401 || (status >= 500 && status !== 503)) {
    throw new Unavailable(`purchase answered ${status}`);
  }
  const passed: Record<string, string> = { ...apiHeaders };
  for (const name of ['content-type', 'location', 'retry-after', 'allow']) {
    const value = headers[name];
    if (typeof value === 'string') passed[name] = value;
  }
  return new Response(status === 204 ? null : body, { status, headers: passed });
}
