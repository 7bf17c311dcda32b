import { expect, test } from 'vitest';
import { memoryStorage } from './purchase-world.ts';
import { claimsOf, keepSession, openSession, takeToken } from './session.ts';

function tokenOf(claims: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(claims));
  const text = btoa(String.fromCharCode(...bytes));
  return `e30.${text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.signature`;
}

function windowAt(hash: string, sessionStorage = memoryStorage()) {
  const replaced: string[] = [];
  const left: string[] = [];
  const page = {
    location: {
      hash,
      pathname: '/',
      search: '?product=teapot',
      assign: (url: string) => left.push(url),
      reload: () => left.push('reloaded'),
    },
    history: {
      replaceState: (_state: unknown, _title: string, url: string) => replaced.push(url),
    },
    sessionStorage,
  };
  return { page: page as unknown as Window, replaced, left, sessionStorage };
}

/** As the page opens it where tokens may be given in the address. */
const open = (page: Window, nowMs: () => number) => openSession(page, nowMs, takeToken(page));

test('a token leaves the address at once and lasts as long as the tab', () => {
  const token = tokenOf({ sub: '小明 ~?>', exp: 2_000 });
  const first = windowAt(`#token=${token}`);
  const session = open(first.page, () => 1_000);
  expect(first.replaced).toEqual(['/?product=teapot']);
  expect([session.user, session.token(), session.sign()]).toEqual(['小明 ~?>', token, 'in']);

  const again = open(windowAt('', first.sessionStorage).page, () => 1_000);
  expect(again.token()).toBe(token);
});

test('without a token one is signed out; an expired or refused one has ended', () => {
  expect(open(windowAt('').page, () => 0).sign()).toBe('out');
  const token = tokenOf({ sub: 'alice', exp: 2_000 });
  let nowMs = 1_999_999;
  const session = open(windowAt(`#token=${token}`).page, () => nowMs);
  expect(session.sign()).toBe('in');
  nowMs += 1;
  expect([session.sign(), session.user]).toEqual(['ended', 'alice']);
  // This clock may be wrong; the server says it when it is so.
  expect(session.token()).toBe(token);
  nowMs -= 1;
  expect(session.sign()).toBe('in');

  const refused = open(windowAt(`#token=${token}`).page, () => 0);
  refused.end();
  expect([refused.sign(), refused.token()]).toEqual(['ended', undefined]);
});

test('what is no token signs nobody in, and is forgotten', () => {
  for (const token of ['', 'abc', 'a.b.c', tokenOf({ sub: 5 }), tokenOf([])]) {
    const { page, sessionStorage } = windowAt(`#token=${token}`);
    expect(open(page, () => 0).sign()).toBe('out');
    expect(Object.keys(sessionStorage)).toEqual([]);
  }
  expect(claimsOf(tokenOf({ sub: 'alice' }))).toEqual({
    userId: 'alice',
    expiresAtMs: Number.POSITIVE_INFINITY,
  });
});

test('who signed in with a provider is called by name, and signs out there as well', () => {
  const { page, left, sessionStorage } = windowAt('');
  const token = tokenOf({ sub: '8f3a', exp: 2_000 });
  const signOutUrl = 'https://id.example/end?client_id=shop';
  keepSession(page, { token, name: 'Alice', signOutUrl });
  const session = open(page, () => 0);
  expect([session.user, session.name, session.token()]).toEqual(['8f3a', 'Alice', token]);
  session.leave();
  expect(left).toEqual([signOutUrl]);
  expect(Object.keys(sessionStorage)).toEqual([]);
});

test('a sign-in link takes the place of who was signed in before', () => {
  const before = windowAt('');
  const signOutUrl = 'https://id.example/end';
  keepSession(before.page, { token: tokenOf({ sub: '8f3a' }), name: 'Alice', signOutUrl });
  const link = `#token=${tokenOf({ sub: 'bob' })}`;
  const { page, left, sessionStorage } = windowAt(link, before.sessionStorage);
  const session = open(page, () => 0);
  expect([session.user, session.name]).toEqual(['bob', 'bob']);
  session.leave();
  expect(left).toEqual(['reloaded']);
  expect(Object.keys(sessionStorage)).toEqual([]);
});

test('a token that is not taken leaves the address all the same, and whoever is signed in stays', () => {
  const before = windowAt('');
  const token = tokenOf({ sub: 'alice' });
  keepSession(before.page, { token, name: 'Alice', signOutUrl: undefined });
  for (const given of [tokenOf({ sub: 'mallory' }), 'abc']) {
    const { page, replaced } = windowAt(`#token=${given}`, before.sessionStorage);
    takeToken(page);
    expect(replaced).toEqual(['/?product=teapot']);
    expect(openSession(page, () => 0).user).toBe('alice');
    const broken = windowAt('#token=abc', before.sessionStorage);
    expect(open(broken.page, () => 0).user).toBe('alice');
  }
});
