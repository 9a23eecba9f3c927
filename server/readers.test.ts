import { createReadStream } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { house, liveBuild } from '../test/fakes/house.ts';
import { brokenLetter, wholeLetters } from './letters.ts';
import { consoleReaders, type Readers } from './readers.ts';

const uuid = 'a'.repeat(32);
let folder = '';
let file = '';
let ended = false;
/** How often the console was opened from its growing end. */
let follows = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stackgate-readers-'));
  await mkdir(join(folder, 'log'));
  file = join(folder, 'log', 'console.txt');
  ended = false;
  follows = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function readers(): Readers {
  const test = house();
  test.logs = folder;
  test.live = [liveBuild(uuid)];
  test.follow = async function* (_, offset, signal) {
    follows += 1;
    let at = offset;
    while (!signal.aborted) {
      const over = ended;
      const { size } = await stat(file);
      if (size > at) {
        for await (const chunk of createReadStream(file, {
          start: at,
          end: size - 1,
        }) as AsyncIterable<Buffer>)
          yield chunk;
        at = size;
      } else if (over) return;
      else await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return consoleReaders(test.ports());
}

async function all(from: Readers, offset: number, signal = AbortSignal.timeout(20_000)): Promise<string> {
  let text = '';
  let at = offset;
  for await (const piece of from.read(uuid, ['log'], offset, signal)) {
    // Only the first may begin in the middle of a letter.
    expect(piece.from - at).toBeLessThan(at === offset ? 4 : 1);
    expect(piece.from).toBeGreaterThanOrEqual(at);
    at = piece.to;
    text += piece.bytes.toString('utf8');
  }
  return text;
}

describe('readers of one console', () => {
  it('share one look at it, and each gets all of it from its own place on', async () => {
    const text = Array.from({ length: 3_000 }, (_, n) => `line ${n} é ☃ 😀\n`).join('');
    const bytes = Buffer.from(text);
    await writeFile(file, bytes.subarray(0, 20_001));
    const from = readers();
    const reading = [0, 5, 100, 20_000].map((offset) => all(from, offset));
    for (let at = 20_001; at < bytes.length; at += 1_017) {
      await appendFile(file, bytes.subarray(at, at + 1_017));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    ended = true;
    const got = await Promise.all(reading);
    expect(got[0]).toBe(text);
    expect(follows).toBe(1);
    for (const [n, part] of got.entries())
      expect([n, part.includes('\ufffd'), text.endsWith(part)]).toEqual([n, false, true]);
  });

  it('who is slower than what is kept reads the file, and misses nothing', async () => {
    await writeFile(file, 'begin\n');
    const from = readers();
    const slow = from.read(uuid, ['log'], 0, AbortSignal.timeout(20_000))[Symbol.asyncIterator]();
    const first = await slow.next();
    const text = 'x'.repeat(99);
    for (let n = 0; n < 30; n++) await appendFile(file, `${text}\n`.repeat(1_000));
    ended = true;
    const fast = all(from, 0);
    await fast;
    let got = first.done === true ? 0 : first.value.bytes.length;
    for (let next = await slow.next(); next.done !== true; next = await slow.next())
      got += next.value.bytes.length;
    expect(got).toBe((await stat(file)).size);
  });

  it('end with their signal, and the look ends with the last of them', async () => {
    await writeFile(file, 'begin\n');
    const from = readers();
    const stop = new AbortController();
    const one = all(from, 0, stop.signal);
    await new Promise((resolve) => setTimeout(resolve, 80));
    stop.abort();
    expect(await one).toBe('begin\n');
    ended = true;
    expect(await all(from, 0)).toBe('begin\n');
    expect(follows).toBe(2);
  });
});

describe('letters', () => {
  it('are cut where they end', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(), (text, cut) => {
        const bytes = Buffer.from(text);
        const at = bytes.length === 0 ? 0 : cut % bytes.length;
        const head = bytes.subarray(0, at);
        const whole = wholeLetters(head);
        expect(Buffer.from(head.subarray(0, whole).toString('utf8')).equals(head.subarray(0, whole))).toBe(
          true,
        );
        const rest = bytes.subarray(whole);
        expect(brokenLetter(rest)).toBe(0);
      }),
    );
  });
});
