import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
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
