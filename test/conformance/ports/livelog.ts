import { describe, expect, test } from 'vitest';
import type { LogSite } from '../../../pipelines/ports.ts';

/** A log site that a worker writes to, and what a server reads of it while it grows. */
export interface LiveLog {
  readonly site: LogSite;
  follow(logPath: string, offset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

const PATIENCE = 20_000;

/** Collects what a reader gets; `seen` resolves when it has that much. */
function reader(live: LiveLog, path: string, offset = 0, signal = AbortSignal.timeout(PATIENCE)) {
  let text = '';
  let wake = () => {};
  const done = (async () => {
    for await (const chunk of live.follow(path, offset, signal)) {
      text += Buffer.from(chunk).toString();
      wake();
    }
    return text;
  })();
  const seen = async (wanted: string) => {
    while (!text.includes(wanted)) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { done, seen };
}

/** What readers of running consoles are promised. `open` gives an empty log. */
export function liveLogConformance(name: string, open: () => Promise<LiveLog>): void {
  describe(`running logs on ${name}`, () => {
    const path = '34/1234/5/check/job/0abc123';

    test('are read from the beginning or from a byte on, until they end', async () => {
      const live = await open();
      const early = reader(live, path);
      const folder = await live.site.open(path);
      const console = await folder.console(0);
      await console.write(Buffer.from('one\n'));
      await early.seen('one');
      const late = reader(live, path, 2);
      await console.write(Buffer.from('two\n'));
      await Promise.all([early.seen('two'), late.seen('two')]);
      await console.write(Buffer.from('three\n'));
      await console.close();
      await folder.finish({});
      expect(await early.done).toBe('one\ntwo\nthree\n');
      expect(await late.done).toBe('e\ntwo\nthree\n');
      expect(await reader(live, path).done).toBe('one\ntwo\nthree\n');
    });

    test('are read once when a restarted worker makes them again', async () => {
      const live = await open();
      const folder = await live.site.open(path);
      const before = await folder.console(0);
      await before.write(Buffer.from('one\ntw'));
      const one = reader(live, path);
      await one.seen('tw');
      await before.close();
      const again = await live.site.open(path);
      const after = await again.console(0);
      await after.write(Buffer.from('one\n'));
      await after.write(Buffer.from('two\nthree\n'));
      await after.close();
      await again.finish({});
      expect(await one.done).toBe('one\ntwo\nthree\n');
    });

    test('come whole and in order, whatever their size', async () => {
      const live = await open();
      const folder = await live.site.open(path);
      const console = await folder.console(0);
      const all = reader(live, path);
      const text = Array.from({ length: 20_000 }, (_, line) => `line ${line}\n`).join('');
      for (let from = 0; from < text.length; from += 30_011)
        await console.write(Buffer.from(text.slice(from, from + 30_011)));
      await console.close();
      await folder.finish({});
      expect((await all.done) === text).toBe(true);
    });

    test('let go of a reader who leaves, without an error', async () => {
      const live = await open();
      const leave = new AbortController();
      const waiting = reader(live, path, 0, leave.signal);
      const folder = await live.site.open(path);
      const console = await folder.console(0);
      await console.write(Buffer.from('one\n'));
      await waiting.seen('one');
      leave.abort();
      expect(await waiting.done).toBe('one\n');
      await console.close();
    });
  });
}
