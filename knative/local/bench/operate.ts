// What operators do before and after a measurement, by the shop's own API and program.

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { signToken } from '#knative/plugin/sign-token.ts';
import { defaultLimits } from '#lib/buckets/limits.ts';
import type { System } from './system.ts';

const program = resolve(import.meta.dirname, '../../plugin/kn-seckill');

/** More than any run can sell. */
export const stockOfSales = 5_000_000;
const limitPerUser = 1_000;
/** As good as none; a bucket holds no more. */
const unlimited = { rate: 1_000_000_000, capacity: 1_000_000_000 };

/** The limit that a product has unless an operator says otherwise. */
export const shippedLimit = defaultLimits.product;

/** A token of this user, good for longer than any run. */
export function tokenOf(system: System, userId: string, isOperator = false): string {
  const issuedAt = Math.floor(Date.now() / 1_000);
  return signToken(system.secrets.jwtKey, {
    ...{ userId, isOperator, issuedAt, issuer: 'seckill', audience: 'seckill' },
    expiresAt: issuedAt + 86_400,
  });
}

/** Raises the limits of all tiers, so that none is in the way. */
export async function raiseLimits(system: System): Promise<void> {
  for (const tier of ['user', 'product', 'global']) {
    await ask(system, 'PUT', `/operator/limits/${tier}`, unlimited);
  }
}

/** Puts a limit on a tier, or back to its default with `null`. */
export async function limitTier(
  system: System,
  tier: 'user' | 'ip',
  limit: { rate: number; capacity: number } | null,
): Promise<void> {
  const path = `/operator/limits/${tier}`;
  await (limit === null ? ask(system, 'DELETE', path) : ask(system, 'PUT', path, limit));
}

/** Puts a limit on one product. */
export async function limitProduct(
  system: System,
  productId: string,
  limit: { rate: number; capacity: number },
): Promise<void> {
  await ask(system, 'PUT', `/operator/limits/product?product=${productId}`, limit);
}

/** Creates and opens a sale. */
export async function openSale(
  system: System,
  productId: string,
  stock: number = stockOfSales,
): Promise<void> {
  const sale = { productId, name: productId, stock, unitPrice: 1_999, limitPerUser };
  await ask(system, 'POST', '/operator/sales', sale);
  await ask(system, 'POST', `/operator/sales/${productId}/open`);
}

async function ask(system: System, method: string, path: string, body?: object): Promise<void> {
  const response = await fetch(`${system.edge.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${tokenOf(system, 'bench', true)}`,
      'operation-id': randomUUID(),
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
}

/** How long `kn-seckill verify` waits for accepted orders to become rows. */
const settleWait = '300s';

/** Resolves where every promise about the sale holds; else rejects with what the program says. */
export async function verify(system: System, productId: string): Promise<void> {
  const { PATH } = process.env;
  await new Promise<void>((done, fail) => {
    execFile(
      program,
      ['verify', productId, '--wait', settleWait],
      { env: { PATH, ...system.env }, maxBuffer: 64 * 1_024 * 1_024 },
      (error, stdout, stderr) => {
        if (error === null) done();
        else fail(new Error(`kn-seckill verify ${productId}:\n${stdout}${stderr}`));
      },
    );
  });
}
