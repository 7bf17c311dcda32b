// The open purchase of a buyer: the key is on disk before the request leaves, so that a page that
// dies between the two asks again with the same key and buys nothing twice.

import { idempotencyKeyPattern } from '#lib/constants.ts';

/**
 * `asking`: the buyer wants it and nobody knows yet; asked again on its own, after a reload too.
 * `stopped`: the buyer no longer waits, but it may have been accepted.
 * `refused`: answered no, which decides nothing: the same key may succeed later.
 */
export type PurchaseStage = 'asking' | 'stopped' | 'refused';

export interface OpenPurchase {
  readonly productId: string;
  readonly userId: string;
  readonly key: string;
  readonly quantity: number;
  readonly stage: PurchaseStage;
  /** When the buyer pressed, epoch milliseconds by this device. */
  readonly pressedAtMs: number;
}

export interface PurchaseStore {
  read(): OpenPurchase | undefined;
  /** False when it could not be kept: it then lives only as long as this page. */
  write(purchase: OpenPurchase): boolean;
  remove(): void;
}

const prefix = 'seckill.purchase.v1.';

/** One purchase per product and user. A user id may hold anything, so it is encoded. */
export function createPurchaseStore(
  storage: Storage | undefined,
  productId: string,
  userId: string,
): PurchaseStore {
  const name = `${prefix}${productId}.${encodeURIComponent(userId)}`;
  let unkept: OpenPurchase | undefined;
  return {
    read: () => unkept ?? parse(attempt(() => storage?.getItem(name))),
    write(purchase) {
      const isKept = attempt(() => {
        storage?.setItem(name, JSON.stringify(purchase));
        return storage !== undefined;
      });
      unkept = isKept === true ? undefined : purchase;
      return isKept === true;
    },
    remove() {
      unkept = undefined;
      attempt(() => {
        storage?.removeItem(name);
      });
    },
  };
}

/** What this user is still asking for, of any product. */
export function purchasesAsked(storage: Storage | undefined, userId: string): OpenPurchase[] {
  const names = attempt(() => Object.keys(storage ?? {})) ?? [];
  return names
    .filter((name) => name.startsWith(prefix))
    .map((name) => parse(attempt(() => storage?.getItem(name))))
    .filter((purchase) => purchase !== undefined)
    .filter((purchase) => purchase.userId === userId && purchase.stage === 'asking');
}

/** Storage throws when it is full or forbidden (private windows); the sale goes on without. */
function attempt<Result>(use: () => Result): Result | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}

function parse(value: string | null | undefined): OpenPurchase | undefined {
  if (value === null || value === undefined) return undefined;
  const purchase = attempt(() => JSON.parse(value) as Partial<OpenPurchase> | null);
  if (purchase === undefined || purchase === null) return undefined;
  const isWhole =
    typeof purchase.productId === 'string' &&
    typeof purchase.userId === 'string' &&
    typeof purchase.key === 'string' &&
    idempotencyKeyPattern.test(purchase.key) &&
    Number.isInteger(purchase.quantity) &&
    typeof purchase.pressedAtMs === 'number' &&
    (purchase.stage === 'asking' || purchase.stage === 'stopped' || purchase.stage === 'refused');
  return isWhole ? (purchase as OpenPurchase) : undefined;
}
