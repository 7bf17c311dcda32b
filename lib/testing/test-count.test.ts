import { expect, test } from 'vitest';
import { countLine, countOfBoth, type FileCount, filesToRepeat } from './test-count.ts';

const stalled: FileCount = {
  file: 'lib/a.integration.test.ts',
  passed: 3,
  failed: 1,
  skipped: 0,
  repeatable: true,
};
const first = { passed: 10, failed: 1, skipped: 2, failedFiles: [stalled] };

test('a file that failed on real servers is run again', () => {
  expect(filesToRepeat(first)).toEqual([stalled.file]);
});

test('what states a promise is not, nor is anything beside it', () => {
  const broken = { ...stalled, repeatable: false };
  expect(filesToRepeat({ ...first, failedFiles: [stalled, broken] })).toEqual([]);
});

test('nor are more files than a busy machine explains', () => {
  expect(filesToRepeat({ ...first, failedFiles: Array<FileCount>(6).fill(stalled) })).toEqual([]);
});

test('every test is counted once, as it ended', () => {
  const well = countOfBoth(first, { passed: 4, failed: 0, skipped: 0, failedFiles: [] });
  expect(countLine(well)).toBe('11 passed, 0 failed, 2 skipped');
  const failed = { ...stalled, passed: 2, failed: 2 };
  const ill = countOfBoth(first, { passed: 2, failed: 2, skipped: 0, failedFiles: [failed] });
  expect(countLine({ ...ill, skipped: 0 })).toBe('9 passed, 2 failed');
});
