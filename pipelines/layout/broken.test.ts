import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readLayout } from './read.ts';

/** Real layouts that their Zuul refused: what would a stranger be told? */
const folder = new URL('../../../shared/conformance/zuul-v2/broken-real-world/', import.meta.url);
const files = existsSync(folder) ? readdirSync(folder) : [];

it.skipIf(files.length === 0).each(files)('says what was meant in %s', (name) => {
  const { problems } = readLayout([{ name, text: readFileSync(new URL(name, folder), 'utf8') }], {
    dialect: 'zuul-2.6',
    connections: { gerrit: 'gerrit', smtp: 'smtp' },
    functions: 'any',
  });
  const errors = problems.filter(({ severity }) => severity === 'error');
  expect(errors.length).toBeGreaterThan(0);
  for (const { hint, at } of errors) {
    expect(hint).toMatch(/^Did you mean /);
    expect(at).toMatchObject({ file: name });
  }
});

function hints(text: string): (string | undefined)[] {
  return readLayout([{ name: 'l', text }], { dialect: 'stackgate', connections: { gerrit: 'gerrit' } })
    .problems.filter(({ severity }) => severity === 'error')
    .map(({ hint }) => hint);
}

it('names both sides of every conflict', () => {
  const side = (label: string) => `<<<<<<< ours\na: 1\nb: 2\n=======\na: 2\n>>>>>>> ${label}\n`;
  expect(hints(`${side('theirs')}${side('x')}`)).toEqual([
    'Did you mean "ours" (lines 2-3) or "theirs" (line 5)? Keep one, then delete the other and the lines 1, 4 and 6.',
    'Did you mean "ours" (lines 8-9) or "x" (line 11)? Keep one, then delete the other and the lines 7, 10 and 12.',
  ]);
});

it('asks for a pipeline that a longer name ends with', () => {
  const pipeline = (name: string) =>
    `  - {name: ${name}, manager: independent, trigger: {gerrit: [{event: patchset-created}]}}\n`;
  const text = `pipelines:\n${pipeline('merge-check')}${pipeline('gate')}projects:\n  - {name: p, check: [job]}\n`;
  expect(hints(text)).toEqual([
    'Did you mean "merge-check"? Else add a pipeline "check", or take it out here. Pipelines: merge-check, gate.',
  ]);
});
