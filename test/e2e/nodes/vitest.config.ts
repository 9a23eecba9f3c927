import { defineConfig } from 'vitest/config';

/** `npm run test:nodes`: what talks to machines, on a real OpenSSH server on loopback. */
export default defineConfig({
  test: {
    include: ['test/e2e/nodes/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
