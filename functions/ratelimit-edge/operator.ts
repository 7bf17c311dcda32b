// What operators ask. The limits are the edge's own; all else goes on to `purchase` unchanged,
// signed together with who acts, and only for a token whose scope contains `operator`.

import {
  type Limits,
  limitSchema,
  readLimits,
  setLimit,
  type Tier,
  tiers,
} from '#lib/buckets/limits.ts';
import type { Limit } from '#lib/buckets/take.ts';
import type { Networks } from '#lib/http/networks.ts';
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
/** A warning is not worth a longer wait. */
const lookUpTimeoutMs = 2_000;
/** The line of the log that says who has changed which limit. */
const changed = 'a limit was changed';

interface DependsOn {
  readonly redis: RedisClient;
  readonly purchase: PurchaseClient;
  readonly trustedProxies: Networks;
  readonly log: Log;
}

export interface Operator {
  limits(): Promise<Response>;
  /** PUT sets a limit, DELETE puts the default back; the answer is all limits. */
  changeLimit(request: Request, tier: string, operatorId: string): Promise<Response>;
  /** Everything else. */
  pass(request: Request, operatorId: string): Promise<Response>;
}

export function createOperator(deps: DependsOn): Operator {
  const { redis, purchase, log } = deps;
  const answer = ({ products, ...tierLimits }: Limits, more: readonly string[] = []) => {
    const warnings = [...(tierLimits.ip === null ? [] : warningsOfIp(deps)), ...more];
    return json(
      JSON.stringify({ ...tierLimits, products: Object.fromEntries(products), warnings }),
    );
  };
  return {
    limits: async () => answer(await fromRedis(readLimits(redis))),
    async changeLimit(request, tierGiven, operatorId) {
      const asked = readTarget(tierGiven, new URL(request.url).searchParams);
      if ('response' in asked) return asked.response;
      const read = request.method === 'DELETE' ? { limit: null } : await readLimit(request);
      if ('response' in read) return read.response;
      const { limit } = read;
      const before = limitOf(await fromRedis(readLimits(redis)), asked);
      await fromRedis(setLimit(redis, asked, limit));
      const operationId = request.headers.get(operationHeader)?.slice(0, 64);
      log.info({ ...asked, before, limit, operator: operatorId, operationId }, changed);
      const warnings = limit === null ? [] : await warningsOfProduct(purchase, asked);
      return answer(await fromRedis(readLimits(redis)), warnings);
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

/** What is in force for a target; null where it has none of its own. */
function limitOf({ products, ...tierLimits }: Limits, { tier, productId }: Target): Limit | null {
  return productId === undefined ? tierLimits[tier] : (products.get(productId) ?? null);
}

function warningsOfIp({ trustedProxies }: DependsOn): string[] {
  if (!trustedProxies.isEmpty) return [];
  const warning =
    'no proxy is trusted (SECKILL_TRUSTED_PROXIES): all who come through a gateway are one address';
  return [`ip: ${warning}, and share one limit`];
}

/** A limit may be set before its sale is made; it may also be a slip of the pen. */
async function warningsOfProduct(purchase: PurchaseClient, target: Target): Promise<string[]> {
  const { productId } = target;
  if (productId === undefined) return [];
  const path = `/products/${productId}`;
  try {
    const { status } = await purchase.request({ method: 'GET', path, timeoutMs: lookUpTimeoutMs });
    if (status === 200) return [];
    if (status === 404) return [`product: ${productId} is not on sale (yet)`];
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
  }
  return [`product: cannot tell at the moment whether ${productId} is on sale`];
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
