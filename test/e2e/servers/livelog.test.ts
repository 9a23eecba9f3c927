import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { directorySite } from '../../../workers/logs/site.ts';
import { openConsoleReader, streamedSite } from '../../../workers/logs/stream.ts';
import { openRedis, type RedisLink } from '../../../workers/redis/link.ts';
import { type LiveLog, liveLogConformance } from '../../conformance/ports/livelog.ts';
import { redisMissing, startRedis, type TestRedis } from '../../harness/servers.ts';

describe.skipIf(redisMissing() !== undefined)('over Redis', () => {
  const root = mkdtempSync(join(tmpdir(), 'stackgate-livelog-'));
  const links: RedisLink[] = [];
  let server: TestRedis;
  beforeAll(async () => {
    server = await startRedis();
  }, 60_000);
  afterAll(async () => {
    for (const link of links) await link[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    rmSync(root, { recursive: true, force: true });
  });

  /** A worker on one machine, a server on another: no folder is shared. */
  async function apart(): Promise<LiveLog> {
    const site = randomBytes(8).toString('hex');
    const link = async () => {
      const opened = await openRedis({
        url: server.url,
        site,
        onError: () => undefined,
        warn: () => undefined,
      });
      links.push(opened);
      return opened;
    };
    const directory = mkdtempSync(join(root, 'worker-'));
    const reader = await openConsoleReader(mkdtempSync(join(root, 'server-')), await link());
    return {
      site: streamedSite(directorySite({ directory, url: 'http://x' }), await link()),
      follow: (path, offset, signal) => reader.follow(path, offset, signal),
    };
  }

  liveLogConformance('Redis', apart);

  test('a stream keeps the end of a long console, and says how much it has not', async () => {
    const live = await apart();
    const folder = await live.site.open('a/b');
    const console = await folder.console(0);
    const piece = Buffer.alloc(256 * 1024, 'x');
    for (let i = 0; i < 16; i++) {
      await console.write(piece);
      await server.command('ping');
    }
    await console.write(Buffer.from('the end'));
    await console.close();
    await folder.finish({});
    let text = '';
    for await (const chunk of live.follow('a/b', 0, AbortSignal.timeout(20_000))) text += chunk.toString();
    expect(text).toMatch(/^\n\[\d+ bytes of this console are not to be had here\]\nx+the end$/);
    expect(text.length).toBeLessThan(2.5 * 1024 * 1024);
    const memory = await server.command('memory', 'usage', `${links.at(-1)?.prefix}:log:a/b`);
    expect(Number(memory)).toBeLessThan(4 * 1024 * 1024);
  });
});
