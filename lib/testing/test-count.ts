// What the tests' reporter tells the program that runs them, in a file that this variable names.

export const countFileVariable = 'SECKILL_TEST_COUNT_FILE';

export interface FileCount {
  /** Of the test file, from the root of the repository. */
  readonly file: string;
  passed: number;
  failed: number;
  skipped: number;
  /** Needs real servers, and nothing that states a promise has failed in it. */
  repeatable: boolean;
}

export interface TestCount {
  passed: number;
  failed: number;
  skipped: number;
  readonly failedFiles: FileCount[];
}

/** `12 passed, 0 failed, 1 skipped`; nothing of skipped ones where there are none. */
export function countLine({ passed, failed, skipped }: TestCount): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** So many stalled files are a busy machine; more are something broken. */
const repeatedMax = 5;

/** The files to be run again by themselves; none where that would only hide what is broken. */
export function filesToRepeat({ failedFiles }: TestCount): string[] {
  const isStall = failedFiles.length <= repeatedMax && failedFiles.every((one) => one.repeatable);
  return isStall ? failedFiles.map(({ file }) => file) : [];
}

/** Of a whole run, when the files that failed in it have been run again. */
export function countOfBoth(first: TestCount, again: TestCount): TestCount {
  const sum = (key: 'passed' | 'failed' | 'skipped') =>
    first[key] - first.failedFiles.reduce((all, one) => all + one[key], 0) + again[key];
  return {
    passed: sum('passed'),
    failed: sum('failed'),
    skipped: sum('skipped'),
    failedFiles: again.failedFiles,
  };
}
