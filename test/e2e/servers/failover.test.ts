import { afterEach, describe, expect, test } from 'vitest';
import type { Instance } from '../../harness/instance.ts';
import { postgresMissing, redisMissing } from '../../harness/servers.ts';
import { type ServersSite, startSite } from './site.ts';

/** Two schedulers never both act, and no process is needed by name. */

const missing = postgresMissing() ?? redisMissing();

async function leads(instance: Instance): Promise<boolean> {
  return /^stackgate_leading 1$/m.test(await (await instance.get('/metrics')).text());
}

/** Facts used so far, and by the leader of which epoch. */
async function journal(site: ServersSite): Promise<{ used: number; epoch: number }> {
  const [row] = await site.postgres.sql(
    site.databaseUrl,
    `SELECT (SELECT count(*) FROM stackgate.facts WHERE used_at IS NOT NULL)::int AS used,
            (SELECT epoch FROM stackgate.leader)::int AS epoch`,
  );
  return { used: Number(row?.['used']), epoch: Number(row?.['epoch']) };
}

describe.skipIf(missing !== undefined)('who leads', () => {
  let site: ServersSite;
  afterEach(async () => {
    await site[Symbol.asyncDispose]();
  });

  test('a scheduler that was stopped amid a turn and wakes up after its takeover does nothing', async () => {
    site = await startSite({ redis: true });
    const others = ['server', 'launcher', 'worker'].map((role) => site.start(role));
    const before = await site.start('scheduler');
    await Promise.all(others);
    const quiet = await site.push('pass');
    expect(await site.vote(quiet)).toBe(1);
    await before.kill('SIGTERM');

    // It stops itself in the middle of a later turn: thought through, not written yet.
    const env = { STACKGATE_CRASH_AT: 'store.commit.before:4', STACKGATE_CRASH_WITH: 'SIGSTOP' };
    const zombie = await site.start('scheduler', { env });
    const heir = await site.start('scheduler');
    expect(await leads(heir)).toBe(false);
    const change = await site.push('pass');
    const began = Date.now();
    await site.until(heir, async () => expect(await leads(heir)).toBe(true));
    expect(Date.now() - began).toBeLessThan(30_000);
    expect(await site.vote(change)).toBe(1);
    const { used, epoch } = await journal(site);

    process.kill(zombie.pid, 'SIGCONT');
    await site.until(zombie, () => expect(zombie.output()).toMatch(/leader-lost/));
    // The heir still leads, nothing was used twice or by another, and the zombie stands by like any second scheduler.
    await site.until(zombie, async () => expect((await zombie.get('/readyz')).status).toBe(200));
    expect(await leads(zombie)).toBe(false);
    expect(await leads(heir)).toBe(true);
    expect((await journal(site)).epoch).toBe(epoch);
    const next = await site.push('pass');
    expect(await site.vote(next)).toBe(1);
    expect((await journal(site)).used).toBeGreaterThan(used);
    expect(site.runs(change)).toEqual([1]);

    // And when the heir dies, it leads again.
    await heir.kill('SIGKILL');
    await site.until(zombie, async () => expect(await leads(zombie)).toBe(true));
    const last = await site.push('fail');
    expect(await site.vote(last)).toBe(-1);
  });

  test('a worker that dies amid a build is followed by one that finds the build running', async () => {
    site = await startSite({ redis: true });
    const roles = ['server', 'scheduler', 'launcher'].map((role) => site.start(role));
    const [server] = await Promise.all(roles);
    const worker = await site.start('worker');
    const change = await site.push('wait');
    await site.running(change);
    const heir = await site.start('worker');
    await worker.kill('SIGKILL');
    // Somebody who asks the server meanwhile sees the build run.
    const status = await (await server?.get('/status.json'))?.text();
    expect(status).toContain(`"${change},1"`);
    await site.until(heir, async () => {
      const claims = await site.postgres.sql(
        site.databaseUrl,
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted",
      );
      expect(claims.length).toBeGreaterThan(0);
    });
    await site.go();
    expect(await site.vote(change)).toBe(1);
    expect(site.runs(change)).toEqual([1]);
  });
});
