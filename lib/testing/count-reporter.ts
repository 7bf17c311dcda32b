// The last line of `npm test`, for people and for CI: how many tests passed, failed and were
// skipped, alone on a line. Before it, by name, what passed only when it was tried again, and the
// files whose tests were skipped.

import type { Reporter, TestModule } from 'vitest/node';

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      // A file that could not be run has no tests to fail.
      if (module.state() === 'failed' && module.errors().length > 0) count.failed += 1;
      const skippedBefore = count.skipped;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== 'pending') count[state] += 1;
        const { retryCount = 0 } = test.diagnostic() ?? {};
        if (state === 'passed' && retryCount > 0) {
          process.stdout.write(`passed on retry ${retryCount}: ${test.fullName}\n`);
        }
      }
      const skipped = count.skipped - skippedBefore;
      if (skipped > 0) process.stdout.write(`SKIPPED ${skipped} in ${module.relativeModuleId}\n`);
    }
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    process.stdout.write(`\n${count.passed} passed, ${count.failed} failed${skipped}\n`);
  }
}
