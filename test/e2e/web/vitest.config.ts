import { defineConfig } from 'vitest/config';

/** `npm run test:web`: the web application in Chromium, on a real Stackgate beside a simulated Gerrit. */
export default defineConfig({
  test: {
    globalSetup: ['test/e2e/web/setup.ts'],
    include: ['test/e2e/web/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    maxWorkers: 1,
  },
});
