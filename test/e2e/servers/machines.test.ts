import { afterEach, describe, expect, test } from 'vitest';
import { postgresMissing, redisMissing } from '../../harness/servers.ts';
import { type ServersSite, startSite } from './site.ts';

const missing = postgresMissing() ?? redisMissing();

describe.skipIf(missing !== undefined)('two machines', () => {
  let site: ServersSite;
  afterEach(async () => {
    await site[Symbol.asyncDispose]();
  });

  test('what one merged is built on the other, and its console is read where nobody sees its file', async () => {
    site = await startSite({ redis: true });
    const siteFile = await site.elsewhere();
    // There: pages and a worker. Here: the nodes, and no worker yet.
    const [server] = await Promise.all([
      site.start('server', { siteFile }),
      site.start('worker', { siteFile }),
      site.start('scheduler'),
      site.start('launcher'),
    ]);
    const change = await site.push('wait');
    await site.until(server, async () => {
      const waiting = "SELECT 1 FROM stackgate.actions WHERE kind = 'build' AND begun_at IS NULL";
      expect(await site.postgres.sql(site.databaseUrl, waiting)).toHaveLength(1);
    });

    await site.start('worker');
    await site.running(change);
    const builds = await (await server.get('/api/v1/builds')).text();
    const uuid = /"uuid":"([0-9a-f]{32})"/.exec(builds)?.[1];
    const reading = new AbortController();
    const console = await fetch(new URL(`/api/v1/builds/${uuid}/console?follow=1`, server.url), {
      signal: reading.signal,
    });
    let seen = '';
    for await (const chunk of console.body ?? []) {
      seen += Buffer.from(chunk).toString();
      if (/line \d+\n/.test(seen)) break;
    }
    reading.abort();
    expect(seen).toContain(`ZUUL_CHANGE=${change}`);
    await site.go();
    expect(await site.vote(change)).toBe(1);
    expect(site.runs(change)).toEqual([1]);
  });
});
