import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { nameInGreeting, nameWarning, seenByName, seenByReaders } from './visibility.ts';

const VECTORS = '../shared/conformance/comment-format/vectors.json';
const here = existsSync(VECTORS);
const Row = z.record(z.string(), z.unknown());
const Vectors = z.object({
  authors: z.record(z.string(), z.object({ hideci: z.boolean(), summary: z.boolean() })),
  messages: z.record(
    z.string(),
    z.object({
      message: z.string(),
      summary: z
        .object({ status: z.string(), pipeline: z.string().nullish(), results: z.array(Row) })
        .nullable(),
      hideciPipeline: z.string().nullable(),
      ciwatch: z.object({ pipeline: z.string().nullable(), jobs: z.record(z.string(), Row) }),
      cireporter: z.array(Row),
    }),
  ),
});

describe.skipIf(!here)(`the readers of CI comments (${VECTORS})`, () => {
  const vectors = here
    ? Vectors.parse(JSON.parse(readFileSync(VECTORS, 'utf8')))
    : { authors: {}, messages: {} };

  it.each(Object.entries(vectors.authors))('take %s as the reference says', (name, seen) => {
    expect(seenByName(name)).toEqual(seen);
    expect(nameWarning(name) === undefined).toBe(seen.hideci && seen.summary);
  });

  it.each(Object.entries(vectors.messages))('see %s as the reference says', (_, vector) => {
    const seen = seenByReaders(vector.message);
    expect(seen.hideciPipeline ?? null).toBe(vector.hideciPipeline);
    expect({ ...seen.ciwatch, pipeline: seen.ciwatch.pipeline ?? null }).toEqual(vector.ciwatch);
    expect(seen.cireporter.map((row) => ({ ...row, time: row.time ?? null }))).toEqual(vector.cireporter);
    if (vector.summary === null) return expect(seen.summary).toBeUndefined();
    expect(seen.summary).toMatchObject({
      status: vector.summary.status,
      pipeline: vector.summary.pipeline ?? undefined,
    });
    expect(seen.summary?.results).toHaveLength(vector.summary.results.length);
    vector.summary.results.forEach((row, n) => {
      const { job, link, result, time } = seen.summary?.results[n] ?? {};
      expect({ job, link: link ?? null, result, time: time ?? null }).toEqual({
        job: row['job'],
        link: row['link'] ?? null,
        result: row['result'],
        time: row['time'] ?? null,
      });
    });
  });
});

describe('our own name', () => {
  it('is in Gerrit’s greeting', () => {
    const greeting =
      '\r\n  ****    Welcome to Gerrit Code Review    ****\r\n\r\n  Hi Acme Storage CI, you have successfully connected over SSH.\r\n';
    expect(nameInGreeting(greeting)).toBe('Acme Storage CI');
    expect(nameInGreeting('nothing')).toBeUndefined();
  });
});
