import { afterEach, describe, expect, test } from 'vitest';
import { HealthView } from '../../../server/contract.ts';
import { postgresMissing } from '../../harness/servers.ts';
import { type ServersSite, startSite } from './site.ts';

/** A database that is away for longer than anything in here waits at once: timers, claims, locks, queues, whoever stands by. */

const missing = postgresMissing();

describe.skipIf(missing !== undefined)('PostgreSQL is away for more than a minute', () => {
  let site: ServersSite;
  afterEach(async () => {
    await site[Symbol.asyncDispose]();
  });

  test('under two of each role', { timeout: 400_000 }, async () => {
    site = await startSite({ redis: false });
    const roles = ['server', 'scheduler', 'scheduler', 'launcher', 'launcher', 'worker', 'worker'];
    const started = await Promise.all(roles.map((role) => site.start(role)));
    const running = await site.push('wait');
    await site.running(running);
    await site.postgres.stop('SIGINT');
    const meanwhile = await site.push('pass');
    await new Promise((resolve) => setTimeout(resolve, 70_000));
    await site.go();
    await site.postgres.start();
    expect(await site.vote(running)).toBe(1);
    expect(await site.vote(meanwhile)).toBe(1);
    expect(site.runs(running)).toEqual([1]);
    for (const one of started) {
      const lines = one.output().split('\n');
      // The launcher that lost its part to the other one ends; all others live.
      if (lines.some((line) => line.includes('another process is the launcher now'))) continue;
      await site.until(one, async () => {
        const { parts } = HealthView.parse(await (await one.get('/readyz')).json());
        expect(parts['database']?.ok).toBe(true);
      });
      expect(lines.filter((line) => line.includes('the database is away'))).toHaveLength(1);
      expect(lines.filter((line) => /Warning/.test(line))).toEqual([]);
    }
  });
});
