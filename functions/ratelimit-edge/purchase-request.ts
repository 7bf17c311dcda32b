// What a purchase must look like. Checked by hand: three fields, on the way of every request.
// Every refusal names the field and says what would be right.

import {
  bodyBytesMax,
  idempotencyKeyPattern,
  productIdPattern,
  quantityMax,
} from '#lib/constants.ts';
import { type Answer, refuse } from './answers.ts';
import { readJsonObject } from './body.ts';

export interface PurchaseRequest {
  readonly productId: string;
  readonly key: string;
  /** 1 to `quantityMax`. */
  readonly quantity: number;
}

/** The purchase that is asked for, or the answer that says what is wrong with it. */
export async function readPurchaseRequest(
  request: Request,
  productId: string,
): Promise<PurchaseRequest | { readonly fault: Answer }> {
  const noProduct = faultOfProductId(productId);
  if (noProduct !== undefined) return { fault: noProduct };
  const key = request.headers.get('idempotency-key');
  if (key === null) return malformed('Idempotency-Key: this header is missing');
  if (!idempotencyKeyPattern.test(key)) {
    return malformed('Idempotency-Key: must be 8 to 64 of A–Z a–z 0–9 _ -');
  }
  const body = await readJsonObject(request, bodyBytesMax);
  if ('fault' in body) return body;
  const { quantity } = body.members;
  if (quantity === undefined) return malformed('quantity: is missing');
  if (typeof quantity !== 'number' || !Number.isInteger(quantity)) {
    return malformed('quantity: must be a whole number');
  }
  if (quantity < 1 || quantity > quantityMax) {
    return malformed(`quantity: must be 1 to ${quantityMax}`);
  }
  const unknown = Object.keys(body.members).find((name) => name !== 'quantity');
  if (unknown !== undefined) {
    return malformed(`${JSON.stringify(unknown.slice(0, 40))}: is not a field of a purchase`);
  }
  return { productId, key, quantity };
}

/** The answer to a product id that no product can have. */
export function faultOfProductId(productId: string): Answer | undefined {
  if (productIdPattern.test(productId)) return undefined;
  return refuse('unknown_product', { detail: 'productId: must be 1 to 64 of A–Z a–z 0–9 _ -' });
}

function malformed(detail: string): { readonly fault: Answer } {
  return { fault: refuse('malformed', { detail }) };
}
