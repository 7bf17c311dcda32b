import { afterAll, beforeAll, expect, test } from 'vitest';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { countOpenLetters } from './count-letters.ts';
import { aLetter, type LetterBench, openLetterBench } from './letters-fixture.ts';
import type { ListedLetter } from './list-letters.ts';

let on: LetterBench;
beforeAll(async () => {
  on = await openLetterBench();
});
afterAll(() => on.close());

const openLetters = () => {
  const { kafka, mysql } = on.bench;
  return countOpenLetters({ kafka, mysql, topics: on.names.topics });
};

test('a letter counts from its death until somebody has decided about it', async () => {
  const before = await openLetters();
  const productId = uniqueProductId();
  const keys = on.bench.signingKeys;
  const letters = [1, 2].map((number) => aLetter(productId, keys, { number }));
  await on.produce(on.names.topics['persist-order'], letters);
  const died = before['persist-order'] + 2;
  expect(await openLetters()).toEqual({ ...before, 'persist-order': died });

  const path = `/operator/dead-letters?productId=${productId}`;
  const { body } = await on.app.call('GET', path, { operator: 'ann' });
  const [first] = body.letters as ListedLetter[];
  await on.app.operate('dead-letters/drop', { body: { ids: [first?.id] } });
  expect(await openLetters()).toEqual({ ...before, 'persist-order': died - 1 });
});
