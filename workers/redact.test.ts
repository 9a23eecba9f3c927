import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hiddenIn, redacted, redactor } from './redact.ts';

/** A secret is found however the stream that holds it is cut: in consoles and in artifacts alike. */

const secret = fc.string({ unit: fc.constantFrom('a', 'b', 'ä', '\0'), minLength: 4, maxLength: 9 });
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'ä', '\0', '\n', ' '), maxLength: 60 });
const cuts = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 20 });

function* pieces(bytes: Buffer, sizes: readonly number[]): Iterable<Buffer> {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function allOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

describe('masking', () => {
  it('depends on the bytes alone, and leaves no secret', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(secret, { minLength: 1, maxLength: 3 }),
        fc.array(text),
        cuts,
        async (secrets, words, sizes) => {
          const bytes = Buffer.from(
            words.flatMap((word, at) => [word, secrets[at % secrets.length] ?? '']).join(''),
          );
          const whole = redactor(secrets);
          const once = Buffer.concat([whole.push(bytes), whole.end()]).toString('utf8');
          async function* source() {
            yield* pieces(bytes, sizes);
          }
          expect(await allOf(redacted(source(), secrets))).toBe(once);
          for (const each of secrets) {
            if (each.trim() === each && Buffer.byteLength(each.trim()) >= 4)
              expect(once.includes(each)).toBe(false);
          }
        },
      ),
    );
  });

  it('takes its time once, however often a secret is printed', () => {
    const secrets = ['printed', ...Array.from({ length: 60 }, (_, at) => `never-printed-${at}`)];
    const chunk = Buffer.from('printed '.repeat(32_768));
    const began = performance.now();
    const redact = redactor(secrets);
    for (let count = 0; count < 8; count++) redact.push(chunk);
    // Quadratic, this took minutes.
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  it('reaches every text of a manifest', () => {
    const value = { params: { PW: 'geheim!' }, list: ['x geheim! y', 3, null], detail: 'geheim' };
    expect(hiddenIn(value, ['geheim!'])).toEqual({
      params: { PW: '****' },
      list: ['x **** y', 3, null],
      detail: 'geheim',
    });
  });
});
