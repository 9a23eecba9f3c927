import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  postgresMissing,
  redisMissing,
  startPostgres,
  startRedis,
  type TestPostgres,
  type TestRedis,
} from '../../harness/servers.ts';

const missing = postgresMissing() ?? redisMissing();

describe.skipIf(missing !== undefined)('the demo on servers', () => {
  let postgres: TestPostgres;
  let redis: TestRedis;
  beforeAll(async () => {
    [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  });
  afterAll(async () => {
    await redis[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  test('ends well with one process for each role, and leaves nothing behind', {
    timeout: 400_000,
  }, async () => {
    const url = await postgres.database();
    const words = ['--database', url, '--redis', redis.url, '--roles'];
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'test/demo/main.ts', ...words],
      { encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    expect(stdout).toContain('[1,1 testing] ◀ [2,1 testing]');
    expect(stdout).toContain('has both');
    expect(status).toBe(0);
    const schemas = await postgres.sql(
      url,
      "SELECT 1 FROM pg_namespace WHERE nspname IN ('stackgate', 'bullmq')",
    );
    expect(schemas).toEqual([]);
    expect(await redis.command('dbsize')).toBe(0);
  });
});
