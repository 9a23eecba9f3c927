import { afterEach, describe, expect, test } from 'vitest';
import { HealthView } from '../../../server/contract.ts';
import type { Instance } from '../../harness/instance.ts';
import { postgresMissing, redisMissing } from '../../harness/servers.ts';
import { type ServersSite, startSite } from './site.ts';

/** A server that is away, or forgets: nothing is lost, one sentence says so, and all goes on by itself. */

const missing = postgresMissing() ?? redisMissing();

async function part(instance: Instance, name: string): Promise<{ ok: boolean; detail: string } | undefined> {
  return HealthView.parse(await (await instance.get('/readyz')).json()).parts[name];
}

/** Lines of its log that name it. */
function lines(instance: Instance, text: string): string[] {
  return instance
    .output()
    .split('\n')
    .filter((line) => line.includes(text));
}

describe.skipIf(missing !== undefined)('a server that goes away', () => {
  let site: ServersSite;
  afterEach(async () => {
    await site[Symbol.asyncDispose]();
  });

  test('Redis is killed and started again amid a build', async () => {
    site = await startSite({ redis: true });
    const one = await site.start();
    const running = await site.push('wait');
    await site.running(running);
    await site.redis.stop('SIGKILL');
    await site.until(one, async () => expect((await part(one, 'redis'))?.ok).toBe(false));
    expect((await part(one, 'redis'))?.detail).toMatch(/does not answer.*Nothing is lost/);
    const meanwhile = await site.push('pass');
    await site.go();
    await new Promise((resolve) => setTimeout(resolve, 8_000));
    expect(lines(one, 'Redis').length).toBeLessThanOrEqual(2);
    await site.redis.start();
    await site.until(one, async () => expect((await part(one, 'redis'))?.ok).toBe(true));
    expect(await site.vote(running)).toBe(1);
    expect(await site.vote(meanwhile)).toBe(1);
    expect(site.runs(running)).toEqual([1]);
    expect(lines(one, 'in order again')).toHaveLength(1);
  });

  test('Redis forgets everything, twice, amid builds', async () => {
    site = await startSite({ redis: true });
    const roles = ['server', 'scheduler', 'launcher', 'worker', 'worker'];
    await Promise.all(roles.map((role) => site.start(role)));
    const running = await site.push('wait');
    await site.running(running);
    await site.redis.command('flushall');
    const after = await site.push('pass');
    await site.redis.command('flushall');
    expect(await site.vote(after)).toBe(1);
    await site.go();
    expect(await site.vote(running)).toBe(1);
    expect(site.runs(running)).toEqual([1]);
  });

  test('Redis begins to evict: one sentence with the command that mends it', async () => {
    site = await startSite({ redis: true });
    const one = await site.start();
    await site.redis.command('config', 'set', 'maxmemory-policy', 'allkeys-lru');
    await site.until(one, async () => expect((await part(one, 'redis'))?.detail).toMatch(/evicts keys/));
    expect((await part(one, 'redis'))?.detail).toContain('CONFIG SET maxmemory-policy noeviction');
    await site.redis.command('config', 'set', 'maxmemory-policy', 'noeviction');
    await site.until(one, async () => expect((await part(one, 'redis'))?.ok).toBe(true));
    expect(await site.vote(await site.push('pass'))).toBe(1);
  });

  for (const redis of [true, false]) {
    test(`PostgreSQL is restarted amid a build, ${redis ? 'queues on Redis' : 'queues on it'}`, async () => {
      site = await startSite({ redis });
      const started = await Promise.all(
        ['server', 'scheduler', 'launcher', 'worker'].map((role) => site.start(role)),
      );
      const running = await site.push('wait');
      await site.running(running);
      await site.postgres.stop('SIGINT');
      const meanwhile = await site.push('pass');
      for (const one of started)
        await site.until(one, async () => expect((await part(one, 'database'))?.ok).toBe(false));
      await site.go();
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      await site.postgres.start();
      for (const one of started)
        await site.until(one, async () => expect((await part(one, 'database'))?.ok).toBe(true));
      expect(await site.vote(running)).toBe(1);
      expect(await site.vote(meanwhile)).toBe(1);
      expect(site.runs(running)).toEqual([1]);
      for (const one of started) expect(lines(one, 'the database').slice(2)).toEqual([]);
    });
  }
});
