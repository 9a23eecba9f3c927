import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { NodeRequests } from '../../../server/contract/nodes.ts';
import { postgresMissing, redisMissing } from '../../harness/servers.ts';
import { type ServersSite, startSite } from './site.ts';

function residentMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

const missing = postgresMissing() ?? redisMissing();

describe.skipIf(missing !== undefined)('one process for each role', () => {
  let site: ServersSite;
  afterEach(async () => {
    await site[Symbol.asyncDispose]();
  });

  test('a server says why a request waits, as the launcher knows', async () => {
    site = await startSite({ redis: false });
    const [server] = await Promise.all(
      ['server', 'scheduler', 'launcher', 'worker'].map((role) => site.start(role)),
    );
    // One more than there are places.
    for (let count = 0; count < 5; count++) await site.push('wait');
    const reasons = async () => {
      const answer = await server?.get('/api/v1/node-requests');
      return NodeRequests.parse(await answer?.json()).requests.flatMap(({ why }) => why ?? []);
    };
    await vi.waitFor(
      async () =>
        expect(await reasons()).toEqual(['local: all 4 places are taken (served-test); next in line']),
      { timeout: 60_000, interval: 200 },
    );
    await site.go();
    await vi.waitFor(async () => expect(await reasons()).toEqual([]), { timeout: 60_000, interval: 200 });
  });

  for (const redis of [true, false]) {
    test(`tests a patch and votes, ${redis ? 'with Redis' : 'on PostgreSQL alone'}`, async () => {
      site = await startSite({ redis });
      const roles = ['server', 'scheduler', 'launcher', 'worker'];
      const started = await Promise.all(roles.map((role) => site.start(role)));
      const [good, bad] = [await site.push('pass'), await site.push('fail')];
      expect(await site.vote(good)).toBe(1);
      expect(await site.vote(bad)).toBe(-1);
      for (const { pid } of started) expect(residentMegabytes(pid)).toBeLessThan(200);
    });
  }
});
