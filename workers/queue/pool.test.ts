import { expect, test } from 'vitest';
import { readStatement } from './pool.ts';

test.each([
  ['-- a comment\n-- another;\nLISTEN bullmq_jobs;\n', 'listen'],
  ['/* block\n comment */ listen x', 'listen'],
  ['BEGIN', 'begin'],
  ['  begin isolation level serializable', 'begin'],
  ['START TRANSACTION', 'begin'],
  ['-- done\nCOMMIT', 'end'],
  ['ROLLBACK', 'end'],
  ['-- listen\nSELECT 1', 'other'],
  ['SELECT add_job($1) AS id', 'other'],
  ['-- only a comment', 'other'],
  ['', 'other'],
])('%j is read behind its comments', (text, kind) => {
  expect(readStatement(text).kind).toBe(kind);
});
