import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLineReader } from './lines.ts';

function read(chunks: readonly Uint8Array[], maxLine?: number) {
  const lines: string[] = [];
  const odd: string[] = [];
  const reader = createLineReader(
    { line: (text) => lines.push(text), oddity: (kind) => odd.push(kind) },
    maxLine,
  );
  for (const chunk of chunks) reader.push(chunk);
  return { lines, odd, pending: reader.pending() };
}

/** Cuts bytes into pieces of the given sizes, over and over. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

describe('lines', () => {
  it('finds the same lines however the bytes are cut', () => {
    const word = fc
      .string({ unit: 'grapheme' })
      .map((text) => text.replaceAll('\n', '').replaceAll('\r', ''));
    fc.assert(
      fc.property(
        fc.array(word),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (words, sizes) => {
          const bytes = Buffer.from(words.map((text) => `${text}\n`).join(''));
          expect(read(cut(bytes, sizes)).lines).toEqual(words.filter((text) => text.trim() !== ''));
        },
      ),
    );
  });

  it('never throws and never invents a line for any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
        const { lines, odd } = read(chunks, 16);
        const newlines = Buffer.concat(chunks).filter((byte) => byte === 10).length;
        expect(lines.length).toBeLessThanOrEqual(newlines);
        expect(lines.length + odd.length).toBeLessThanOrEqual(2 * newlines);
      }),
    );
  });

  it('drops a line over the cap, keeps what follows, and holds no more than the cap', () => {
    const { lines, odd, pending } = read(
      [Buffer.alloc(50, 'x'), Buffer.alloc(50, 'x'), Buffer.from('\nok\nre')],
      60,
    );
    expect({ lines, odd, pending }).toEqual({ lines: ['ok'], odd: ['line-too-long'], pending: 2 });
  });

  it('shows what is broken in a line as U+FFFD', () => {
    const { lines, odd } = read([Buffer.from([0x61, 0xff, 0x62, 0x0a])]);
    expect({ lines, odd }).toEqual({ lines: ['a\ufffdb'], odd: ['invalid-utf8'] });
  });

  it('keeps a tail although the buffer it came in is used again', () => {
    const lines: string[] = [];
    const reader = createLineReader({ line: (text) => lines.push(text), oddity: () => undefined });
    const buffer = Buffer.from('one\ntwo');
    reader.push(buffer);
    buffer.fill(0x78);
    reader.push(Buffer.from('\n'));
    expect(lines).toEqual(['one', 'two']);
  });
});
