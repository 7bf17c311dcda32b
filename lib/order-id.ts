// An order is named by what was asked: product, user and key. A retry names the same order,
// nobody can take another's key, and an order id finds its sale.

import { hash } from 'node:crypto';

/** `productId '.' base64url(sha256(JSON [product, user, key])).slice(0, 22)` */
export function orderIdOf(productId: string, userId: string, key: string): string {
  const digest = hash('sha256', JSON.stringify([productId, userId, key]), 'base64url');
  return `${productId}.${digest.slice(0, 22)}`;
}

/** The product an order id belongs to. Call it only with ids that match `orderIdPattern`. */
export function productIdOf(orderId: string): string {
  return orderId.slice(0, orderId.lastIndexOf('.'));
}
