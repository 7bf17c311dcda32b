// What the API answers, checked field by field: a page that is older or newer than the server
// shows less, it does not break. An answer that lacks what is needed throws.

export type SaleState = 'scheduled' | 'open' | 'paused' | 'sold_out' | 'ended';

export interface Product {
  readonly productId: string;
  readonly name: string;
  /** In the currency's smallest unit. */
  readonly unitPrice: number;
  readonly currency: string;
  readonly stock: number;
  readonly left: number;
  readonly state: SaleState;
  /** Epoch milliseconds. */
  readonly opensAtMs: number | undefined;
  readonly closesAtMs: number | undefined;
  /** The server's clock when it answered, epoch milliseconds. */
  readonly nowMs: number | undefined;
  readonly limitPerUser: number;
}

export type OrderStatus = 'pending' | 'accepted' | 'confirmed' | 'cancelled' | 'rejected';

export interface Order {
  readonly orderId: string;
  readonly productId: string;
  readonly quantity: number;
  readonly status: OrderStatus;
  readonly unitPrice: number;
  readonly currency: string;
  readonly acceptedAtMs: number | undefined;
}

/** One place on a product's leaderboard. The buyer is a pseudonym. */
export interface Place {
  readonly rank: number;
  readonly buyer: string;
  /** When this buyer's first purchase was accepted; only on the boards that order by it. */
  readonly firstAtMs: number | undefined;
  /** Units bought; only on the boards that order by it. */
  readonly quantity: number | undefined;
}

export interface Board {
  readonly places: readonly Place[];
  readonly own: Place | undefined;
}

export interface HotProduct {
  readonly productId: string;
  readonly sold: number;
}

/** Where one signs in: as much of the provider's metadata as the page needs. */
export interface SignInSetup {
  readonly provider: {
    readonly issuer: string;
    readonly authorization_endpoint: string;
    readonly token_endpoint: string;
    readonly end_session_endpoint?: string;
    readonly authorization_response_iss_parameter_supported?: boolean;
    readonly id_token_signing_alg_values_supported?: string[];
  };
  readonly clientId: string;
  readonly scope: string;
  /** Further parameters of both requests. */
  readonly parameters: Record<string, string>;
}

const saleStates: readonly string[] = ['scheduled', 'open', 'paused', 'sold_out', 'ended'];
const orderStatuses: readonly string[] = [
  'pending',
  'accepted',
  'confirmed',
  'cancelled',
  'rejected',
];

export function readProduct(body: unknown): Product {
  const answer = record(body);
  const state = text(answer, 'state');
  return {
    productId: text(answer, 'productId'),
    name: text(answer, 'name'),
    unitPrice: number(answer, 'unitPrice'),
    currency: text(answer, 'currency'),
    stock: number(answer, 'stock'),
    left: number(answer, 'left'),
    state: saleStates.includes(state) ? (state as SaleState) : 'paused',
    opensAtMs: instant(answer['opensAt']),
    closesAtMs: instant(answer['closesAt']),
    nowMs: instant(answer['now']),
    limitPerUser: number(answer, 'limitPerUser'),
  };
}

export function readProducts(body: unknown): Product[] {
  return list(body, 'products').map(readProduct);
}

export function readOrder(body: unknown): Order {
  const answer = record(body);
  const status = text(answer, 'status');
  return {
    orderId: text(answer, 'orderId'),
    productId: text(answer, 'productId'),
    quantity: number(answer, 'quantity'),
    status: orderStatuses.includes(status) ? (status as OrderStatus) : 'pending',
    unitPrice: number(answer, 'unitPrice'),
    currency: text(answer, 'currency'),
    acceptedAtMs: instant(answer['acceptedAt']),
  };
}

export function readOrders(body: unknown): Order[] {
  return list(body, 'orders').map(readOrder);
}

export function readBoard(body: unknown): Board {
  const own = record(body)['me'];
  return {
    places: list(body, 'entries').map(readPlace),
    own: own === undefined || own === null ? undefined : readPlace(own),
  };
}

function readPlace(body: unknown): Place {
  const answer = record(body);
  const { quantity } = answer;
  return {
    rank: number(answer, 'rank'),
    buyer: text(answer, 'name'),
    firstAtMs: instant(answer['firstAt']),
    quantity: typeof quantity === 'number' ? quantity : undefined,
  };
}

export function readHotProducts(body: unknown): HotProduct[] {
  return list(body, 'entries').map((entry) => {
    const answer = record(entry);
    return {
      productId: text(answer, 'productId'),
      sold: number(answer, 'sold'),
    };
  });
}

/** Undefined where nobody has configured a provider. */
export function readSignInSetup(body: unknown): SignInSetup | undefined {
  const answer = record(body);
  if (answer['provider'] === undefined) return undefined;
  const provider = record(answer['provider']);
  for (const name of ['issuer', 'authorization_endpoint', 'token_endpoint']) text(provider, name);
  return {
    provider: provider as unknown as SignInSetup['provider'],
    clientId: text(answer, 'clientId'),
    scope: text(answer, 'scope'),
    parameters: record(answer['parameters']) as Record<string, string>,
  };
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new TypeError('not an object');
  return { ...value };
}

function list(body: unknown, name: string): unknown[] {
  const value = record(body)[name];
  if (!Array.isArray(value)) throw new TypeError(`${name} is not a list`);
  return value;
}

function text(answer: Record<string, unknown>, name: string): string {
  const value = answer[name];
  if (typeof value !== 'string') throw new TypeError(`${name} is not a text`);
  return value;
}

function number(answer: Record<string, unknown>, name: string): number {
  const value = answer[name];
  if (typeof value !== 'number') throw new TypeError(`${name} is not a number`);
  return value;
}

/** Epoch milliseconds with their fraction: the server's instants have microseconds. */
function instant(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const ms = Date.parse(value);
  if (Number.isNaN(ms)) return undefined;
  const micros = /\.\d{3}(\d{3})/.exec(value)?.[1] ?? '0';
  return ms + Number(micros) / 1_000;
}
