// Product ids as they are typed.

import { InvalidArgumentError } from 'commander';
import { productIdPattern } from '#lib/constants.ts';
import { reservedProductIds } from '#lib/names.ts';

/** The id, if it can be one; else an error of usage. */
export function productId(text: string): string {
  if (!productIdPattern.test(text)) {
    throw new InvalidArgumentError('A product id is 1 to 64 of A-Z, a-z, 0-9, _ and -.');
  }
  if (reservedProductIds.has(text)) throw new InvalidArgumentError('That name is reserved.');
  return text;
}
