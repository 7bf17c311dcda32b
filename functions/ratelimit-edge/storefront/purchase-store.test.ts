import { expect, test } from 'vitest';
import { newKey } from './key.ts';
import { createPurchaseStore, type OpenPurchase, purchasesAsked } from './purchase-store.ts';
import { memoryStorage } from './purchase-world.ts';

const purchase: OpenPurchase = {
  productId: 'teapot',
  userId: '小明/.%',
  key: newKey(),
  quantity: 2,
  stage: 'asking',
  pressedAtMs: 5,
};

test('each buyer finds their own purchase of the product, and no other', () => {
  const storage = memoryStorage();
  createPurchaseStore(storage, 'teapot', '小明/.%').write(purchase);
  expect(createPurchaseStore(storage, 'teapot', '小明/.%').read()).toEqual(purchase);
  expect(createPurchaseStore(storage, 'teapot', 'bob').read()).toBeUndefined();
  expect(createPurchaseStore(storage, 'other', '小明/.%').read()).toBeUndefined();
  expect(purchasesAsked(storage, '小明/.%')).toEqual([purchase]);
  expect(purchasesAsked(storage, 'bob')).toEqual([]);
});

test('what was refused or given up is not asked for elsewhere', () => {
  const storage = memoryStorage();
  const store = createPurchaseStore(storage, 'teapot', '小明/.%');
  store.write({ ...purchase, stage: 'refused' });
  expect(purchasesAsked(storage, '小明/.%')).toEqual([]);
  store.remove();
  expect(store.read()).toBeUndefined();
});

test.each(['', 'null', '{', '{"key":"x"}', JSON.stringify({ ...purchase, key: 'bad key!' })])(
  'what is no purchase is none: %s',
  (value) => {
    const storage = memoryStorage();
    storage.setItem('seckill.purchase.v1.teapot.alice', value);
    storage.setItem('something else', value);
    expect(createPurchaseStore(storage, 'teapot', 'alice').read()).toBeUndefined();
    expect(purchasesAsked(storage, 'alice')).toEqual([]);
  },
);

test('a browser that forbids storage, or has no room left, still buys', () => {
  const full = new Proxy(memoryStorage(), {
    get: (target, name) =>
      name === 'setItem'
        ? () => {
            throw new DOMException('full', 'QuotaExceededError');
          }
        : (Reflect.get(target, name) as unknown),
  });
  for (const storage of [undefined, full]) {
    const store = createPurchaseStore(storage, 'teapot', 'alice');
    expect(store.write(purchase)).toBe(false);
    expect(store.read()).toEqual(purchase);
    store.remove();
    expect(store.read()).toBeUndefined();
  }
});

test('keys are made on pages without TLS, too', () => {
  const bare = {
    getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes),
  } as unknown as Crypto;
  const keys = new Set([newKey(bare), newKey(bare), newKey(), newKey()]);
  expect(keys.size).toBe(4);
  for (const key of keys) expect(key).toMatch(/^[A-Za-z0-9_-]{8,64}$/);
});
