// The one table of what can become of a request: outcome → status → metric label → text.
// Every HTTP answer of the system is named here; nothing else maps an outcome to a status.

/** What a purchase can come to. `accepted` and `replayed` are the same acceptance. */
export type PurchaseOutcome =
  | 'accepted'
  | 'replayed'
  | 'key_reused'
  | 'limit_reached'
  | 'not_open'
  | 'ended'
  | 'paused'
  | 'sold_out'
  | 'unknown_product'
  | 'unavailable';

/** What any request can come to. */
export type Outcome =
  | PurchaseOutcome
  | 'rate_limited'
  | 'malformed'
  | 'wrong_type'
  | 'too_large'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'conflict';

interface OutcomeRow {
  readonly status:
    | 200
    | 202
    | 400
    | 401
    | 403
    | 404
    | 405
    | 409
    | 410
    | 413
    | 415
    | 422
    | 429
    | 503;
  /** Short and the same for every occurrence: RFC 9457 `title`. */
  readonly title: string;
  /** What `seckill_requests_total{result=…}` counts it as. */
  readonly result: 'succeeded' | 'refused' | 'limited' | 'failed';
}

export const OUTCOMES: Readonly<Record<Outcome, OutcomeRow>> = {
  accepted: { status: 202, title: 'The order is accepted', result: 'succeeded' },
  replayed: { status: 200, title: 'The order was accepted before', result: 'succeeded' },
  key_reused: {
    status: 422,
    title: 'This Idempotency-Key already bought another quantity',
    result: 'refused',
  },
  limit_reached: { status: 409, title: 'You have bought your share', result: 'refused' },
  not_open: { status: 409, title: 'The sale is not open yet', result: 'refused' },
  ended: { status: 409, title: 'The sale has ended', result: 'refused' },
  paused: { status: 409, title: 'The sale is paused', result: 'refused' },
  sold_out: { status: 410, title: 'Sold out', result: 'refused' },
  rate_limited: { status: 429, title: 'Too many requests', result: 'limited' },
  unknown_product: { status: 404, title: 'No such product', result: 'refused' },
  not_found: { status: 404, title: 'Nothing here', result: 'refused' },
  method_not_allowed: { status: 405, title: 'This method is not allowed here', result: 'refused' },
  conflict: { status: 409, title: 'The change does not fit the present state', result: 'refused' },
  malformed: { status: 400, title: 'The request is malformed', result: 'refused' },
  wrong_type: { status: 415, title: 'The body must be application/json', result: 'refused' },
  too_large: { status: 413, title: 'The request is too large', result: 'refused' },
  unauthenticated: { status: 401, title: 'Sign in first', result: 'refused' },
  forbidden: { status: 403, title: 'Not yours to do', result: 'refused' },
  unavailable: {
    status: 503,
    title: 'Not available at the moment; ask again',
    result: 'failed',
  },
};

/** The answer to one purchase, as it travels from `purchase` through the edge to the buyer. */
export type PurchaseAnswer =
  | { readonly outcome: 'accepted' | 'replayed'; readonly quantity: number }
  | {
      readonly outcome: 'not_open';
      /** Epoch microseconds by Redis' clock; absent while no opening is fixed. */
      readonly opensAtUs?: number;
    }
  | {
      readonly outcome: 'sold_out';
      /** Units still free: above zero the refusal is for this quantity only. */
      readonly left: number;
    }
  | {
      readonly outcome: Exclude<PurchaseOutcome, 'accepted' | 'replayed' | 'not_open' | 'sold_out'>;
    };
