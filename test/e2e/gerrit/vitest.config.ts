import { defineConfig } from 'vitest/config';

/** `npm run test:gerrit`: the stories on a real Gerrit. One file at a time, for each starts a Gerrit of its own. */
export default defineConfig({
  test: {
    globalSetup: ['test/e2e/gerrit/setup.ts'],
    include: ['test/e2e/gerrit/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 900_000,
    maxWorkers: 1,
  },
});
