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
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
