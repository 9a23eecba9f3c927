import { defineConfig } from 'vitest/config';

/** `npm test` runs what needs neither root nor a server: unit tests beside the files and the stories. */
export default defineConfig({
  test: {
    include: [
      '{jobs,pipelines,nodepool,workers,server,cli,bench}/**/*.test.ts',
      'test/{stories,conformance,fakes,house}/**/*.test.ts',
    ],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
  },
});
