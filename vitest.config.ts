import { defineConfig } from 'vitest/config';

const files = ['functions/**', 'lib/**', 'knative/**', 'grafana/**'];

// Two projects, so that `vitest run --project unit` needs no server at all.
export default defineConfig({
  test: {
    // Two cores: more workers would only make every wait longer.
    maxWorkers: 2,
    reporters: ['default', './lib/testing/count-reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: files.map((folder) => `${folder}/*.test.ts`),
          exclude: ['**/*.integration.test.ts', '**/node_modules/**'],
        },
      },
      {
        test: {
          name: 'integration',
          include: files.map((folder) => `${folder}/*.integration.test.ts`),
          globalSetup: 'lib/testing/global-setup.ts',
          // Real servers on two cores stall for a second now and then. `npm test` gives what fails
          // twice a last chance with servers of its own (knative/local/check.ts).
          retry: 1,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
