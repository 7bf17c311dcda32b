// Leaderboards, straight from Redis' sorted sets. Buyers appear under a name made for this sale,
// which tells nobody who they are, nor that they are the same person in another sale.

import { type Place as BoardPlace, placeOf, topOf, topProducts } from '#lib/board/board.ts';
import { pseudonymOf } from '#lib/board/pseudonym.ts';
import { totalsOfComposite } from '#lib/board/score.ts';
import { type BoardKind, boardKinds } from '#lib/names.ts';
import { isoTimeOf } from '#lib/order-event.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { type Answer, json, refuse } from './answers.ts';
import { createCached } from './cached.ts';
import type { Products } from './products.ts';
import { faultOfProductId } from './purchase-request.ts';
import { fromRedis } from './unavailable.ts';

export interface Boards {
  /** The best of one product, and `me` where the user is on its board. */
  ofProduct(productId: string, query: URLSearchParams, userId?: string): Promise<Response>;
  /** Products by units sold. */
  ofProducts(query: URLSearchParams): Promise<Response>;
}

/** Far below the 100 ms in which an accepted order has to show, and few reads per board. */
const freshMs = 20;
const entriesMax = 1_000;
/** Who asks chooses the board; Redis also serves the buckets. */
const loadingMax = 64;
const limitDefault = 10;
export const boardLimitMax = 100;

interface DependsOn {
  readonly redis: RedisClient;
  readonly pseudonymKey: string;
  readonly products: Pick<Products, 'exists'>;
}

export function createBoards({ redis, pseudonymKey, products }: DependsOn): Boards {
  const top = createCached({
    freshMs,
    entriesMax,
    loadingMax,
    load: (question) => {
      const { productId, by, limit } = JSON.parse(question) as Question;
      return fromRedis(topOf(redis, productId, by, limit));
    },
  });
  const hot = createCached({
    freshMs,
    entriesMax: boardLimitMax,
    load: (limit) => fromRedis(topProducts(redis, Number(limit))),
  });

  return {
    async ofProduct(productId, query, userId) {
      const question = readQuestion(productId, query);
      if ('response' in question) return question.response;
      const { by } = question;
      const [{ value: places }, own] = await Promise.all([
        top(JSON.stringify(question)),
        userId === undefined ? undefined : fromRedis(placeOf(redis, productId, by, userId)),
      ]);
      const shown = ({ place, member, score }: BoardPlace) => ({
        rank: place,
        name: pseudonymOf(pseudonymKey, productId, member),
        score,
        ...readScore(by, score),
      });
      const entries = places.map(shown);
      // Nobody has bought yet, or there is nothing to buy.
      if (entries.length === 0 && !(await products.exists(productId))) {
        return refuse('unknown_product', { detail: 'productId: there is no such product' })
          .response;
      }
      return json(JSON.stringify({ productId, by, entries, ...(own && { me: shown(own) }) }));
    },
    async ofProducts(query) {
      const limit = readLimit(query);
      if (typeof limit !== 'number') return limit.response;
      const { value: places } = await hot(String(limit));
      const entries = places.map(({ place, member, score }) => {
        return { rank: place, productId: member, sold: score };
      });
      return json(JSON.stringify({ entries }));
    },
  };
}

interface Question {
  readonly productId: string;
  readonly by: BoardKind;
  readonly limit: number;
}

/** What a score says in words that a page can show. */
function readScore(by: BoardKind, score: number): { firstAt?: string; quantity?: number } {
  switch (by) {
    case 'speed':
      return { firstAt: isoTimeOf(score) };
    case 'quantity':
      return { quantity: score };
    case 'score': {
      const { userQuantity, firstAtMs } = totalsOfComposite(score);
      return { quantity: userQuantity, firstAt: new Date(firstAtMs).toISOString() };
    }
  }
}

function readQuestion(productId: string, query: URLSearchParams): Question | Answer {
  const fault = faultOfProductId(productId);
  if (fault !== undefined) return fault;
  const given = query.get('by') ?? 'speed';
  const by = boardKinds.find((kind) => kind === given);
  if (by === undefined) {
    return refuse('malformed', { detail: `by: must be one of ${boardKinds.join(', ')}` });
  }
  const limit = readLimit(query);
  return typeof limit === 'number' ? { productId, by, limit } : limit;
}

function readLimit(query: URLSearchParams): number | Answer {
  const given = query.get('limit') ?? String(limitDefault);
  const limit = /^\d{1,3}$/.test(given) ? Number(given) : 0;
  if (limit >= 1 && limit <= boardLimitMax) return limit;
  return refuse('malformed', { detail: `limit: must be a whole number, 1 to ${boardLimitMax}` });
}
