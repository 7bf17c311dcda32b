import { expect, test } from 'vitest';
import { memoryStorage } from './purchase-world.ts';
import { claimsOf, openSession } from './session.ts';

function tokenOf(claims: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(claims));
  const text = btoa(String.fromCharCode(...bytes));
  return `e30.${text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.signature`;
}

function windowAt(hash: string, sessionStorage = memoryStorage()) {
  const replaced: string[] = [];
  const page = {
    location: { hash, pathname: '/', search: '?product=teapot' },
    history: {
      replaceState: (_state: unknown, _title: string, url: string) => replaced.push(url),
    },
    sessionStorage,
  };
  return { page: page as unknown as Window, replaced, sessionStorage };
}

test('a token leaves the address at once and lasts as long as the tab', () => {
  const token = tokenOf({ sub: '小明 ~?>', exp: 2_000 });
  const first = windowAt(`#token=${token}`);
  const session = openSession(first.page, () => 1_000);
  expect(first.replaced).toEqual(['/?product=teapot']);
  expect([session.user, session.token(), session.sign()]).toEqual(['小明 ~?>', token, 'in']);

  const again = openSession(windowAt('', first.sessionStorage).page, () => 1_000);
  expect(again.token()).toBe(token);
});

test('without a token one is signed out; an expired or refused one has ended', () => {
  expect(openSession(windowAt('').page, () => 0).sign()).toBe('out');
  const token = tokenOf({ sub: 'alice', exp: 2_000 });
  let nowMs = 1_999_999;
  const session = openSession(windowAt(`#token=${token}`).page, () => nowMs);
  expect(session.sign()).toBe('in');
  nowMs += 1;
  expect([session.sign(), session.token(), session.user]).toEqual(['ended', undefined, 'alice']);

  const refused = openSession(windowAt(`#token=${token}`).page, () => 0);
  refused.end();
  expect([refused.sign(), refused.token()]).toEqual(['ended', undefined]);
});

test('what is no token signs nobody in, and is forgotten', () => {
  for (const token of ['', 'abc', 'a.b.c', tokenOf({ sub: 5 }), tokenOf([])]) {
    const { page, sessionStorage } = windowAt(`#token=${token}`);
    expect(openSession(page, () => 0).sign()).toBe('out');
    expect(Object.keys(sessionStorage)).toEqual([]);
  }
  expect(claimsOf(tokenOf({ sub: 'alice' }))).toEqual({
    userId: 'alice',
    expiresAtMs: Number.POSITIVE_INFINITY,
  });
});
