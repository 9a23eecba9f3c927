import { defineConfig } from 'vitest/config';
import { missing } from './sshd.ts';

/**
 * `npm run test:nodes`: what talks to machines, on a real OpenSSH server on loopback. The stories of what jobs do, told of this
 * machine elsewhere, are told of machines over ssh here.
 */
const stories = missing() === undefined ? ['test/stories/jobs-*.test.ts'] : [];

export default defineConfig({
  test: {
    include: ['test/e2e/nodes/**/*.test.ts', ...stories],
    env: { STACKGATE_JOBS_ON: 'ssh' },
    testTimeout: 120_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
