import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { quoted } from './remote.ts';

it('a shell reads every word back as it was', () => {
  const word = fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
      const script = `printf '%s\\0' ${words.map(quoted).join(' ')}`;
      for (const shell of ['sh', 'bash']) {
        const read = execFileSync(shell, ['-c', script]).toString('utf8').split('\0').slice(0, -1);
        expect(read).toEqual(words.map((text) => Buffer.from(text).toString('utf8')));
      }
    }),
    { numRuns: 40 },
  );
});

it('refuses what no shell can be given', () => {
  expect(() => quoted('a\0b')).toThrow(/NUL/);
});
