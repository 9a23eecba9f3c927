import { defineConfig } from 'vitest/config';

/** `npm run test:openstack`: the OpenStack provider against a real cloud. */
export default defineConfig({
  test: {
    globalSetup: ['test/e2e/openstack/setup.ts'],
    include: ['test/e2e/openstack/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 900_000,
    maxWorkers: 1,
  },
});
