// The last line of `npm test`, for people and for CI: how many tests passed, failed and were
// skipped, alone on a line. Before it, by name, what passed only when it was tried again, and the
// files whose tests were skipped. A program gets the same as JSON (`test-count.ts`).

import { writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { countFileVariable, countLine, type FileCount, type TestCount } from './test-count.ts';

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const total: TestCount = { passed: 0, failed: errors.length, skipped: 0, failedFiles: [] };
    for (const module of modules) {
      const count = countModule(module);
      total.passed += count.passed;
      total.failed += count.failed;
      total.skipped += count.skipped;
      if (count.failed > 0) total.failedFiles.push(count);
      if (count.skipped > 0) process.stdout.write(`SKIPPED ${count.skipped} in ${count.file}\n`);
    }
    // An error beside the tests belongs to no file that could be run again.
    if (errors.length > 0) for (const one of total.failedFiles) one.repeatable = false;
    process.stdout.write(`\n${countLine(total)}\n`);
    const file = process.env[countFileVariable];
    if (file !== undefined) writeFileSync(file, JSON.stringify(total));
  }
}

function countModule(module: TestModule): FileCount {
  const count: FileCount = {
    file: module.relativeModuleId,
    passed: 0,
    failed: 0,
    skipped: 0,
    repeatable: module.project.name === 'integration',
  };
  // A file that could not be run has no tests to fail.
  if (module.state() === 'failed' && module.errors().length > 0) count.failed += 1;
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    if (state !== 'pending') count[state] += 1;
    if (state === 'failed' && !mayBeRepeated(test)) count.repeatable = false;
    const { retryCount = 0 } = test.diagnostic() ?? {};
    if (state === 'passed' && retryCount > 0) {
      process.stdout.write(`passed on retry ${retryCount}: ${test.fullName}\n`);
    }
  }
  return count;
}

/** Not what states a promise (`once.ts`). */
function mayBeRepeated({ options }: TestCase): boolean {
  return options.retry !== undefined && options.retry !== 0;
}
