// Crashes on real servers that take minutes: `npm run test:crash`, not part of `npm test`.

import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: resolve(import.meta.dirname, '../../..'),
  test: {
    include: ['knative/local/faults/*.faults.ts'],
    // Each has stores and functions of its own; one at a time is enough for two cores.
    fileParallelism: false,
    reporters: ['verbose', './lib/testing/count-reporter.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
