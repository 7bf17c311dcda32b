import { expect, test } from 'vitest';
import { pseudonymOf } from './pseudonym.ts';

const key = 'a key of at least 32 characters, for tests';

test('a user has one name in a sale, and another in the next or under another key', () => {
  const names = [
    pseudonymOf(key, 'p', 'u'),
    pseudonymOf(key, 'q', 'u'),
    pseudonymOf(key, 'p', 'v'),
    pseudonymOf('another key', 'p', 'u'),
  ];
  expect(new Set(names).size).toBe(4);
  expect(pseudonymOf(key, 'p', 'u')).toBe(names[0]);
  for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-]{12}$/);
});

test('the name stays what it is from release to release', () => {
  expect(pseudonymOf(key, 'phone-15', 'u|1 张三')).toBe('_lJX0-_dGLGI');
});
