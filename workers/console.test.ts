import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildConsole, utcStamp } from './console.ts';
import { redactor } from './redact.ts';

async function made(
  chunks: readonly { bytes: Uint8Array; at: number }[],
  options: { timestamps?: boolean; secrets?: string[]; limit?: number } = {},
): Promise<string> {
  const parts: Uint8Array[] = [];
  const console = buildConsole({
    timestamps: false,
    secrets: [],
    limit: Number.POSITIVE_INFINITY,
    ...options,
    write: (chunk) => {
      parts.push(Uint8Array.from(chunk));
      return Promise.resolve();
    },
  });
  for (const { bytes, at } of chunks) await console.output(bytes, at);
  await console.end();
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts));
}

const of = (text: string, at = 0) => ({ bytes: Buffer.from(text), at });
const first = Date.UTC(2026, 10, 21, 3, 4, 5, 678);

describe('console', () => {
  test('a line carries the UTC time of its first byte', async () => {
    const text = await made([of('one\ntw', first), of('o\n', first + 1), of('\nlast', first + 2)], {
      timestamps: true,
    });
    expect(text).toBe(
      [
        '2026-11-21 03:04:05.678 | one',
        '2026-11-21 03:04:05.678 | two',
        '2026-11-21 03:04:05.680 | ',
        '2026-11-21 03:04:05.680 | last',
      ].join('\n'),
    );
    expect(utcStamp(0)).toBe('1970-01-01 00:00:00.000');
  });

  test('colours stay; what drives a terminal, hides text or is no text becomes visible', async () => {
    expect(await made([of('\u001b[1;31mred\u001b[0m')])).toBe('\u001b[1;31mred\u001b[0m');
    expect(await made([of('\u001b]8;;http://x\u0007a')])).toBe('␛]8;;http://x␇a');
    expect(await made([of('\u001b[2J\u009b31m a\u202eb')])).toBe('␛[2J\ufffd31m a\ufffdb');
    expect(await made([of('\0\t\r\n\u007f')])).toBe('␀\t\r\n␡');
    expect(await made([{ bytes: Uint8Array.of(0xff, 0x41, 0xc3), at: 0 }])).toBe('\ufffdA\ufffd');
    expect(await made([of('\ufeffé😀')])).toBe('\ufeffé😀');
  });

  test('one sign that is no text is seen wherever it stands', async () => {
    const shown = (byte: number) => (byte === 0x7f ? '\u2421' : String.fromCharCode(0x2400 + byte));
    const bytes = Buffer.alloc(40, 'x');
    for (let start = 0; start < 4; start++) {
      for (let at = start; at < bytes.length; at++) {
        for (const byte of [0x00, 0x08, 0x0b, 0x1f, 0x7f]) {
          const chunk = Buffer.from(bytes);
          chunk[at] = byte;
          const text = await made([{ bytes: chunk.subarray(start), at: 0 }]);
          expect(text).toBe(`${'x'.repeat(at - start)}${shown(byte)}${'x'.repeat(39 - at)}`);
          expect(await made([{ bytes: chunk.subarray(at, at + 1), at: 0 }])).toBe(shown(byte));
        }
      }
    }
  });

  test('a flood comes out whole, in order, in blocks that are written one at a time', async () => {
    let written = '';
    let at = 0;
    const console = buildConsole({
      timestamps: false,
      secrets: [],
      limit: Number.POSITIVE_INFINITY,
      write: async (chunk) => {
        expect(at).toBe(0);
        at += 1;
        await new Promise((resolve) => setImmediate(resolve));
        written += Buffer.from(chunk).toString('latin1');
        at -= 1;
      },
    });
    const pieces = Array.from({ length: 300 }, (_, n) => `${n} `.repeat(n % 7 === 0 ? 90_000 : 700));
    for (const piece of pieces) await console.output(Buffer.from(piece), 0);
    await console.end();
    expect(written === pieces.join('')).toBe(true);
  });

  test('secrets are replaced, across chunks and lines, the longest first', async () => {
    const secrets = ['hunter22', 'hunter2244', 'two\nlines here', 'abc'];
    expect(await made([of('xhunt'), of('er22'), of('4'), of('4y hunter22')], { secrets })).toBe(
      'x****y ****',
    );
    expect(await made([of('two\nlines here abc')], { secrets })).toBe('two\n**** abc');
  });

  test('a text that is too long ends with a sentence', async () => {
    for (const chunks of [[of('0123456789'), of('abc')], [of('0123'), of('4567')], [of('012é56')]]) {
      const text = await made(chunks, { limit: 4 });
      expect(text).toMatch(/^0123?\n\[the console is longer than 4 bytes: the rest is left out\]\n$/);
    }
  });

  test('own lines begin on a line of their own', async () => {
    const parts: Uint8Array[] = [];
    const options = { timestamps: false, secrets: [], limit: 1e9 };
    const console = buildConsole({ ...options, write: async (chunk) => void parts.push(chunk) });
    await console.output(Buffer.from('no newline'), 0);
    await console.say('Finished:\nSUCCESS', 0);
    await console.end();
    expect(Buffer.concat(parts).toString()).toBe('no newline\nFinished: SUCCESS\n');
  });

  test('an error of the disk reaches the caller', async () => {
    const options = { timestamps: false, secrets: [], limit: 1e9 };
    const console = buildConsole({ ...options, write: () => Promise.reject(new Error('full')) });
    await console.output(Buffer.from('x'), 0);
    await expect(console.end()).rejects.toThrow('full');
  });

  /** Bytes that like to be cut in the middle of something. */
  const nasty = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '\n',
          'secret',
          'sec',
          'secretsecret',
          '\u001b[3',
          '1m',
          '\u001b',
          'é',
          '😀',
          'plain ',
        ),
        fc.uint8Array({ maxLength: 4 }),
      ),
      { maxLength: 30 },
    )
    .map((parts) =>
      Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))),
    );

  test('the text depends on the bytes and their times, not on the chunks', async () => {
    await fc.assert(
      fc.asyncProperty(nasty, fc.array(fc.nat(40), { maxLength: 8 }), async (bytes, cuts) => {
        // One time for each byte, as ticks give them.
        const timeOf = (offset: number) => first + Math.floor(offset / 7);
        const pieces = (borders: number[]) => {
          const times = Array.from({ length: bytes.length }, (_, at) => at).filter((at) => at % 7 === 0);
          const all = [...new Set([0, ...times, ...borders.filter((at) => at < bytes.length), bytes.length])];
          all.sort((a, b) => a - b);
          return all.slice(1).map((end, index) => {
            const start = all[index] ?? 0;
            return { bytes: bytes.subarray(start, end), at: timeOf(start) };
          });
        };
        const options = { timestamps: true, secrets: ['secret', 'secretsec', 'retse'] };
        expect(await made(pieces(cuts), options)).toBe(await made(pieces([]), options));
      }),
      { numRuns: 300 },
    );
  });

  test('no secret comes out of any cut', () => {
    fc.assert(
      fc.property(nasty, fc.integer({ min: 1, max: 5 }), (bytes, step) => {
        const redact = redactor(['secret']);
        const parts: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += step)
          parts.push(redact.push(bytes.subarray(at, at + step)));
        parts.push(redact.end());
        expect(Buffer.concat(parts).includes('secret')).toBe(false);
      }),
    );
  });
});
