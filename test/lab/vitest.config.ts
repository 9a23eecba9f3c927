import { defineConfig } from 'vitest/config';

/** `npm run test:lab`: node sets and overlays on real hosts of one machine. Needs root; two files at a time. */
export default defineConfig({
  test: {
    include: ['test/lab/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
