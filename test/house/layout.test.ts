import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readLayout } from '../../pipelines/layout/read.ts';
import { quirks } from '../../pipelines/quirks.ts';

const page = readFileSync(new URL('../../docs/layout.md', import.meta.url), 'utf8');

it('docs/layout.md shows layouts that load', () => {
  const layouts = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, text = '']) => text);
  expect(layouts.length).toBeGreaterThan(1);
  for (const text of layouts) {
    const { problems } = readLayout([{ name: 'layout.md', text }], {
      dialect: 'stackgate',
      connections: { gerrit: 'gerrit', smtp: 'smtp' },
    });
    expect(problems).toEqual([]);
  }
});

it('docs/layout.md names every quirk with its reason', () => {
  const rows = [...page.matchAll(/^\| `([a-z0-9-]+)` \| (.*) \|$/gm)].map(([, name = '', why = '']) => [
    name,
    why,
  ]);
  expect(rows.filter(([name = '']) => name in quirks)).toEqual(Object.entries(quirks));
});

it('docs/layout.md names every key of a pipeline and a job', () => {
  const keysOf = (file: string): string[] =>
    [
      ...readFileSync(new URL(`../../pipelines/layout/${file}.ts`, import.meta.url), 'utf8').matchAll(
        /fields\.(?:text|texts|flag|count|choice|field|patterns|has)\(\s*'([a-z-]+)'/g,
      ),
    ].map(([, key = '']) => key);
  const missing = [...keysOf('pipelines'), ...keysOf('jobs')].filter((key) => !page.includes(`\`${key}\``));
  const shortened = ['window-increase-factor', 'window-decrease-factor', 'count'];
  expect(missing.filter((key) => !shortened.includes(key))).toEqual([]);
});
