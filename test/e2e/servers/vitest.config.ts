import { defineConfig } from 'vitest/config';

/** `npm run test:servers`: on real PostgreSQL and Redis servers that the tests start for themselves. */
export default defineConfig({
  test: {
    globalSetup: ['test/e2e/servers/setup.ts'],
    include: ['test/e2e/servers/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
