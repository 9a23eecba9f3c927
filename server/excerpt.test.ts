import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { excerptOf } from './excerpt.ts';

async function* pieces(text: string, sizes: readonly number[]): AsyncIterable<Uint8Array> {
  const bytes = Buffer.from(text);
  let at = 0;
  for (let n = 0; at < bytes.length; n++) {
    const size = Math.max(1, sizes[n % Math.max(1, sizes.length)] ?? 7);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const console = [
  'Job unit #3, build abc',
  '[stackgate] step 1: git fetch',
  ...Array.from({ length: 100 }, (_, n) => `fetched ${n}`),
  '2026-11-21 03:04:05.678 | [stackgate] step 2: tox -e py3',
  'AssertionError: é != e',
  '2026-11-21 03:04:05.678 | Ended: step 2: tox -e py3 ended with exit code 1',
  'Archived *.log: 1 files, 3 bytes',
  'Finished: FAILURE in 3s',
].join('\n');

describe('the end of a console', () => {
  it('says in which step it ended and on which line, however its bytes come', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), async (sizes) => {
        const found = await excerptOf(pieces(console, sizes));
        expect(found).toMatchObject({
          step: { number: 2, name: 'tox -e py3', line: 103 },
          failedAt: 104,
          total: 107,
          from: 76,
        });
        expect(found?.lines.at(-1)).toMatch(/Ended: step 2/);
        expect(found?.lines.at(-2)).toBe('AssertionError: é != e');
        expect(found?.lines).toHaveLength(30);
      }),
    );
  });

  it('is found however much was collected after it, and what went wrong long before it', async () => {
    const time = '2026-11-21 03:04:05.678 | ';
    const long = [
      '[stackgate] step 1: ./run-tempest.sh',
      `${time}{1} tempest.api.volume.test_snapshots.Test.test_create [12.345s] ... \u001b[31mFAILED\u001b[0m`,
      'Traceback (most recent call last):',
      ...Array.from({ length: 200 }, (_, n) => `{0} tempest.api.test_${n} [0.1s] ... ok`),
      `${time}Ended: step 1: ./run-tempest.sh ended with exit code 1`,
      '[stackgate] step 1: collect',
      ...Array.from({ length: 5_000 }, (_, n) => `collecting ${n}`),
      'Finished: FAILURE in 3s',
    ];
    const found = await excerptOf(pieces(long.join('\n'), [1_000]));
    expect(found).toMatchObject({
      step: { name: './run-tempest.sh', line: 1 },
      failedAt: 203,
      total: 5_206,
      from: 175,
      telling: [
        {
          line: 2,
          kind: 'test',
          text: '{1} tempest.api.volume.test_snapshots.Test.test_create [12.345s] ... FAILED',
        },
      ],
    });
    expect(found?.lines.at(-1)).toContain('Ended: step 1');
    const stack = `${time}2016-01-01 10:00:01.000 | [ERROR] /opt/stack/devstack/functions-common:600 g-api did not start\nEnded: x`;
    expect((await excerptOf(pieces(stack, [9])))?.telling).toEqual([
      {
        line: 1,
        kind: 'setup',
        text: '[ERROR] /opt/stack/devstack/functions-common:600 g-api did not start',
      },
    ]);
  });

  it('is found without its words, too, and in one line without end', async () => {
    const killed = await excerptOf(pieces('one\ntwo\nthree', [3]));
    expect(killed).toEqual({
      from: 1,
      lines: ['one', 'two', 'three'],
      failedAt: 3,
      total: 3,
      step: null,
      telling: [],
    });
    const long = await excerptOf(pieces('x'.repeat(100_000), [65_536]));
    expect(long?.lines[0]).toHaveLength(2_000);
    expect(await excerptOf(pieces('', [1]))).toBeUndefined();
  });
});
