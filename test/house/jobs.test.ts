import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readPlugins } from '../../cli/plugins.ts';
import { Undecided } from '../../jobs/definition/builder.ts';
import { SUPPORTED } from '../../jobs/jjb/map/report.ts';
import { readJobs } from '../../jobs/resolve.ts';

/** docs/jobs.md names what is supported, no more and no less. */

const page = readFileSync(new URL('../../docs/jobs.md', import.meta.url), 'utf8');

/** First cells of the table whose head begins with `kind`. */
function named(kind: string): string[] {
  const lines = page.split('\n');
  const head = lines.findIndex((line) => line.startsWith(`| ${kind} |`));
  const rows = lines.slice(head + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end).map((row) => /^\| `([^`]+)` \|/.exec(row)?.[1] ?? row);
}

it.each(Object.entries(SUPPORTED))('every %s is in its table', (kind, names) => {
  expect(named(kind).sort()).toEqual([...names].sort());
});

it('every condition it names is one', () => {
  const [, list = ''] = /Conditions: ([\s\S]*?)\. They/.exec(page) ?? [];
  const kinds = [...list.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
  expect(kinds).toHaveLength(17);
  for (const kind of kinds) {
    const text = `- job: {name: a, builders: [{conditional-step: {condition-kind: ${kind}, condition-operand: {condition-kind: always}, steps: []}}]}`;
    const { problems } = readJobs([{ name: 'a.yaml', text }], {
      read: () => undefined,
      unsupported: 'error',
    });
    expect(problems.filter(({ message }) => message.includes('condition-kind'))).toEqual([]);
  }
  expect(Undecided.options).toHaveLength(3);
});

it('its example of plug-ins works', () => {
  const [, code = ''] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
  const folder = mkdtempSync(join(tmpdir(), 'stackgate-plugins-'));
  try {
    writeFileSync(join(folder, 'plugins.mjs'), code);
    const { parts, publishers, problems } = readPlugins({ plugins: 'plugins.mjs' }, folder);
    expect(problems).toEqual([]);
    expect(Object.keys(publishers)).toEqual(['lab-board']);
    const text = '- job: {name: a, builders: [{run-tox: {env: py27}}], publishers: [{lab-board: {}}]}';
    const read = readJobs([{ name: 'a.yaml', text }], {
      read: () => undefined,
      unsupported: 'error',
      own: parts,
    });
    expect(read.problems.map(({ message }) => message)).toEqual(['lab-board: it wants "board:"']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it('a module that is none is a problem with its place', () => {
  const { problems } = readPlugins({ plugins: 'none.mjs' }, tmpdir());
  expect(problems).toMatchObject([{ severity: 'error', code: 'plugins', at: { line: 1 } }]);
});
