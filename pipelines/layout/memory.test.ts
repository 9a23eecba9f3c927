import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createMemory } from './memory.ts';
import { type LayoutOptions, readLayout } from './read.ts';

const options: LayoutOptions = {
  dialect: 'stackgate',
  connections: { gerrit: 'gerrit', smtp: 'smtp' },
  functions: 'any',
};

const LAYOUT = `# A layout of every shape that a piece may have.
pipelines:
  - name: check
    description: "quoted: text
      over two lines"
    manager: independent
    trigger: {gerrit: [{event: patchset-created}]}

  # between two
  - name: gate
    manager: dependent
    trigger:
      gerrit:
        - event: comment-added
          comment: |
            (?i)^ok
              - name: not an item

jobs: # the jobs
- name: ^.*$
  failure-message: It failed.
- name: ^unit-.*$
  voting: false
- name: ^nobody$
  voting: false
- name: unit-a
  branch: master

project-templates:
    - name: unit
      check: ['unit-{name}']
      gate:
        - unit-{name}:
            - after

projects:
  - name: org/a
    template: [{name: unit}]
    check: [unit-a, lone]
  - name: org/b
    template: [{name: unit}]
    gate: [noop]
  - name: org/c
    check:
      - one:
          - two
`;

/** What a reload must never do is answer otherwise than a fresh reading. */
function compare(texts: readonly string[], from = options): void {
  const memory = createMemory();
  for (const text of texts) {
    const source = { name: 'layout.yaml', text };
    expect(readLayout([source], { ...from, memory })).toEqual(readLayout([source], from));
  }
}

it('answers as a fresh reading does, whatever lines were edited', () => {
  const lines = LAYOUT.split('\n');
  const edit = fc.record({
    at: fc.nat(lines.length - 1),
    what: fc.constantFrom('delete', 'double', 'swap', 'insert', 'indent'),
    text: fc.constantFrom(
      '  - name: org/d',
      '# note',
      '',
      'x: 1',
      '  "',
      "'",
      '  - a',
      '- b',
      '&x',
      '*x',
      '---',
      '\tq',
      ...lines,
    ),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 12 }), (edits) => {
      const texts = [LAYOUT];
      let now = lines;
      for (const { at, what, text } of edits) {
        const here = now[at] ?? '';
        const next = now[at + 1] ?? '';
        const instead = {
          delete: [],
          double: [here, here],
          swap: [next, here],
          insert: [here, text],
          indent: [`  ${here}`],
        }[what];
        now = now.toSpliced(at, what === 'swap' ? 2 : 1, ...instead);
        texts.push(now.join('\n'), LAYOUT);
      }
      compare(texts);
    }),
    { numRuns: 100 },
  );
}, 120_000);

it('reads only what it has not read before', () => {
  const memory = createMemory();
  const read = (text: string) => readLayout([{ name: 'l', text }], { ...options, memory });
  const before = read(LAYOUT).layout;
  const serial = memory.pieces.serial;
  expect(serial).toBeGreaterThan(8);
  const after = read(
    LAYOUT.replace('# A layout', '\n# A layout').replace('[unit-a, lone]', '[unit-a]'),
  ).layout;
  expect(memory.pieces.serial).toBe(serial + 1);
  expect(after?.projects['org/b']?.place).not.toBe(before?.projects['org/b']?.place);
  expect(after?.projects['org/b']?.pipelines['gate']).toBe(before?.projects['org/b']?.pipelines['gate']);
});

it('takes over nothing when the connections are others', () => {
  const memory = createMemory();
  const source = { name: 'l', text: LAYOUT };
  readLayout([source], { ...options, memory });
  const { problems } = readLayout([source], { ...options, connections: {}, memory });
  expect(problems).toEqual(readLayout([source], { ...options, connections: {} }).problems);
});

const folder = new URL('../../../shared/conformance/zuul-v2/', import.meta.url);
const real = ['third-party-layouts', 'broken-real-world'].flatMap((name) => {
  const path = new URL(`${name}/`, folder);
  const files = existsSync(path) ? readdirSync(path).filter((file) => file.endsWith('.yaml')) : [];
  return files.slice(-12).map((file) => new URL(file, path));
});

it.skipIf(real.length === 0)(
  'answers as a fresh reading does for real layouts, one after the other',
  () => {
    const texts = real.map((file) => readFileSync(file, 'utf8'));
    compare([...texts, ...texts.slice(0, 3)], { ...options, dialect: 'zuul-2.6' });
  },
  120_000,
);
