import { PassThrough, Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { piecesOf } from './pieces.ts';

async function all(pieces: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const piece of pieces) found.push(piece);
  return found;
}

describe('pieces of a stream', () => {
  test('come as they are, what waited before somebody asked included', async () => {
    const stream = new PassThrough();
    const [first, second, third] = ['one', 'two', 'three'].map((text) => Buffer.from(text));
    stream.write(first);
    stream.write(second);
    const found = all(piecesOf(stream));
    stream.end(third);
    expect((await found).map(String)).toEqual(['one', 'two', 'three']);
  });

  test('the stream waits for who takes them', async () => {
    const piece = Buffer.alloc(64 * 1024);
    let made = 0;
    const stream = new Readable({
      highWaterMark: piece.length,
      read() {
        made += 1;
        this.push(made > 1_000 ? null : piece);
      },
    });
    let taken = 0;
    let most = 0;
    for await (const _ of piecesOf(stream)) {
      taken += 1;
      most = Math.max(most, made - taken);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(taken).toBe(1_000);
    expect(most).toBeLessThan(16);
  });

  test('a stream that was cut ends them', async () => {
    const stream = new PassThrough();
    const found = all(piecesOf(stream));
    stream.write('one');
    await new Promise((resolve) => setImmediate(resolve));
    stream.destroy(new Error('cut'));
    expect((await found).map(String)).toEqual(['one']);
    expect(await all(piecesOf(stream))).toEqual([]);
  });

  test('who stops taking leaves nothing behind on the stream', async () => {
    const stream = new PassThrough();
    stream.write('one');
    for await (const _ of piecesOf(stream)) break;
    expect(['data', 'end', 'close', 'error'].map((name) => stream.listenerCount(name))).toEqual(
      ['data', 'end', 'close', 'error'].map((name) => new PassThrough().listenerCount(name)),
    );
  });
});
