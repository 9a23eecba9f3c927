import { describe, expect, it } from 'vitest';
import type { Layout } from '../layout.ts';
import { type Compared, diffLayouts, isSame, renderDiff, summarizeDiff } from './diff.ts';
import { madeFrom } from './made.ts';
import { readLayout } from './read.ts';

const BEFORE = `
pipelines:
  - name: check
    manager: independent
    trigger: {gerrit: {event: patchset-created}}
    success: {gerrit: {Verified: 1}}
  - name: old
    manager: independent
    trigger: {gerrit: {event: ref-updated}}
jobs:
  - name: ^.*-dsvm$
    attempts: 2
    voting: false
    files: ^nova/
  - name: late-dsvm
    voting: true
  - name: ^late-.*$
    files: ^late/
projects:
  - name: org/p
    check: [unit, {build: [a-dsvm, late-dsvm]}]
  - name: org/gone
    check: [unit]
`;

const AFTER = `
# One line more, so that everything stands elsewhere.
pipelines:
  - name: check
    manager: dependent
    trigger: {gerrit: {event: patchset-created}}
    success: {gerrit: {Verified: 1}}
jobs:
  - name: ^.*-dsvm$
    attempts: 2
    files: [^nova/, ^doc/]
  - name: late-dsvm
    voting: true
  - name: ^late-.*$
    files: ^late/
projects:
  - name: org/p
    merge-mode: cherry-pick
    check: [unit, a-dsvm, {build: [late-dsvm, fresh]}]
  - name: org/new
    check: [unit]
`;

function layoutOf(text: string): Layout {
  const { layout, problems } = readLayout([{ name: 'layout.yaml', text }], {
    dialect: 'stackgate',
    connections: { gerrit: 'gerrit' },
  });
  if (layout === undefined) throw new Error(JSON.stringify(problems));
  return layout;
}

const compared = (text: string, definitions: Compared['definitions'] = {}): Compared => ({
  layout: layoutOf(text),
  definitions,
});

describe('the difference of two layouts', () => {
  it('is nothing when only places changed', () => {
    const diff = diffLayouts(compared(BEFORE), compared(`# a comment\n\n${BEFORE}`));
    expect(isSame(diff)).toBe(true);
    expect(renderDiff(diff)).toEqual([]);
    expect(summarizeDiff(diff)).toBe('nothing');
  });

  it('tells pipelines, rules of jobs, what jobs run, and projects job by job', () => {
    const unit = { name: 'unit', node: 'small', place: 'jobs.yaml:1:3' };
    const diff = diffLayouts(
      compared(BEFORE, { unit, dropped: {} }),
      compared(AFTER, { unit: { ...unit, node: 'large', place: 'jobs.yaml:9:3' } }),
    );
    expect(isSame(diff)).toBe(false);
    expect(renderDiff(diff)).toEqual([
      '- pipeline old',
      '~ pipeline check',
      '    manager: independent -> dependent',
      '    queues: [] -> [{"name":"org/new, org/p","generatedName":"org/new, org/p","projects":["org/new","org/p"]}]',
      '+ job fresh',
      '~ job late-dsvm',
      '    files: ["^nova/"] -> ["^nova/","^doc/"]',
      '~ job a-dsvm',
      '    voting: false -> true',
      '    files: ["^nova/"] -> ["^nova/","^doc/"]',
      '- job definition dropped',
      '~ job definition unit',
      '    node: small -> large',
      '- project org/gone',
      '+ project org/new',
      '~ project org/p',
      '    merge-mode: merge-resolve -> cherry-pick',
      '    check: + fresh',
      '    check: ~ a-dsvm waits for other jobs',
    ]);
    expect(summarizeDiff(diff)).toBe(
      '1 pipeline removed, 1 pipeline changed, 1 job added, 2 jobs changed, 1 job definition removed, ' +
        '1 job definition changed, 1 project added, 1 project removed, 1 project changed',
    );
  });
});

describe('what a job was made from', () => {
  it('is every metajob before its own entry, and anywhere if it has none', () => {
    const layout = layoutOf(BEFORE);
    expect(madeFrom(layout, 'late-dsvm').map(({ name }) => name)).toEqual(['^.*-dsvm$', 'late-dsvm']);
    expect(madeFrom(layout, 'late-other').map(({ name }) => name)).toEqual(['^late-.*$']);
    expect(madeFrom(layout, 'unit')).toEqual([]);
  });

  it('keeps where each setting was said', () => {
    const { jobs } = layoutOf(BEFORE);
    const [metajob] = madeFrom(layoutOf(BEFORE), 'late-dsvm');
    expect(jobs['late-dsvm']?.places).toEqual({ files: metajob?.place });
    expect(jobs['late-dsvm']?.place).not.toBe(metajob?.place);
    expect(jobs['a-dsvm']).toMatchObject({ attempts: 3, voting: false, place: metajob?.place });
  });
});
