import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Paths are given from the repository root, so that `vitest --config` works from any folder. */
const root = fileURLToPath(new URL('../..', import.meta.url));

export default defineConfig({
  root,
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: ['test/kernel/python.ts'],
    setupFiles: ['test/config/setup.ts'],
    reporters: ['default', './test/config/reporter.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
