import { describe, expect, it } from 'vitest';
import type { Change } from './change.ts';
import type { GerritEvent } from './event.ts';
import { explainChange, explainEvent, renderExplained } from './explain.ts';
import { readLayout } from './layout/read.ts';
import type { Layout } from './layout.ts';

const NOW = 1_500_000_000_000;

const LAYOUT = `
pipelines:
  - name: check
    manager: independent
    require: {open: true}
    trigger:
      gerrit:
        - event: patchset-created
        - event: comment-added
          comment: (?i)^recheck
    success: {gerrit: {Verified: 1}}
  - name: gate
    manager: dependent
    trigger:
      gerrit:
        - event: comment-added
          approval: {Workflow: 1}
    success: {gerrit: {Verified: 2, submit: true}}
jobs:
  - name: ^docs-.*$
    files: ^doc/
  - name: unit
    voting: false
projects:
  - name: org/project
    check: [unit, docs-build]
    gate: [unit]
`;

function layoutOf(text: string): Layout {
  const read = readLayout([{ name: 'layout.yaml', text }], {
    dialect: 'stackgate',
    connections: { gerrit: 'gerrit' },
  });
  if (read.layout === undefined) throw new Error(JSON.stringify(read.problems));
  return read.layout;
}
const layout = layoutOf(LAYOUT);

const change: Change = {
  connection: 'gerrit',
  project: 'org/project',
  number: '12',
  patchset: '3',
  currentPatchset: '3',
  branch: 'master',
  revision: 'a'.repeat(40),
  ref: 'refs/changes/12/12/3',
  changeId: `I${'b'.repeat(40)}`,
  subject: 'subject',
  message: 'message',
  owner: { username: 'jane' },
  url: 'http://review.example/12',
  status: 'NEW',
  wip: false,
  private: false,
  files: ['/COMMIT_MSG', 'src/a.py'],
  parents: [],
  approvals: [],
  submitRecords: [{ status: 'NOT_READY', labels: [{ label: 'Code-Review', status: 'NEED' }] }],
  dependsOn: [],
  neededBy: [],
  fetchedAt: NOW,
};

const event: GerritEvent = {
  kind: 'GerritEvent',
  at: NOW,
  connection: 'gerrit',
  via: 'stream',
  type: 'comment-added',
  project: 'org/project',
  branch: 'master',
  number: '12',
  patchset: '3',
  account: { username: 'jane' },
  comment: 'Patch Set 3:\n\n(1 comment)\n\nrecheck',
};

describe('explain', () => {
  it('tells which pipelines want an event, and which rule decided', () => {
    const explained = explainEvent(layout, event, change, NOW);
    expect(renderExplained(explained)).toBe(
      [
        '+ comment-added by jane: org/project, change 12,3 on master  [layout.yaml:25:5]',
        '  + pipeline check  [layout.yaml:3:5]',
        '    + trigger on comment-added  [layout.yaml:9:11]',
        '    + requirements',
        '    + job unit (non-voting)  [layout.yaml:22:5]',
        '    - job docs-build: no file of the change matches ^doc/  [layout.yaml:20:5]',
        '  - pipeline gate  [layout.yaml:12:5]',
        '    - no trigger wants the event',
        '      - trigger on comment-added: the event brings no Workflow +1  [layout.yaml:16:11]',
        '    - submittable: Code-Review is missing',
        '    + if it took it, 1 of 1 jobs would run',
        '      + job unit (non-voting)  [layout.yaml:22:5]',
      ].join('\n'),
    );
    const short = renderExplained(explained, false).split('\n');
    expect(short).toHaveLength(11);
    expect(short.at(-1)).toBe('    + if it took it, 1 of 1 jobs would run');
  });

  it('does not start pipelines by our own words', () => {
    const said = explainEvent(layout, event, change, NOW, { accounts: { gerrit: ['jane'] } });
    expect(said.verdict).toBe('no');
    expect(renderExplained(said)).toContain('we wrote it ourselves, and what we write starts nothing');
  });

  it('says which Depends-On lines change nothing', () => {
    const far = { ...change, elsewhere: ['https://elsewhere.example.org/5'] };
    expect(renderExplained(explainChange(layout, far, NOW))).toContain(
      '- Depends-On https://elsewhere.example.org/5 is passed over: it names no change of this Gerrit',
    );
  });

  it('tells what could start a pipeline for a change, and which pipelines have no jobs for it', () => {
    const later = `  - name: nightly
    manager: independent
    trigger:
      timer: {time: '0 6 * * *'}
      gerrit: {event: ref-updated, ref: ^refs/tags/}
  - name: lonely
    manager: independent
    trigger: {gerrit: {event: patchset-created}}
jobs:`;
    const wide = layoutOf(`${LAYOUT.replace('jobs:', later)}    nightly: [unit]\n`);
    const text = renderExplained(explainChange(wide, change, NOW));
    expect(text).toContain(
      '    + started by patchset-created; or by comment-added with a comment that matches (?i)^recheck  [layout.yaml:8:11]',
    );
    expect(text).toContain('    + started by comment-added with Workflow +1  [layout.yaml:16:11]');
    expect(text).toContain(
      '    - no event about this change starts it: it waits for timer 0 6 * * *; or ref-updated of ref ^refs/tags/',
    );
    expect(text).toContain('  - org/project has no jobs in lonely  [layout.yaml:');
  });

  it('tells what would become of a change', () => {
    const explained = explainChange(layout, { ...change, status: 'ABANDONED' }, NOW);
    expect(explained.verdict).toBe('no');
    expect(renderExplained(explained)).toContain(
      '- requirements: it is ABANDONED, and the pipeline requires open changes',
    );
  });

  it('knows a project that is not there, and lets no name drive a terminal', () => {
    expect(
      renderExplained(explainEvent(layout, { ...event, project: 'org/projekt' }, undefined, NOW)),
    ).toContain('the layout has no project org/projekt; there is org/project');
    expect(renderExplained(explainChange(layout, { ...change, branch: '\u001b[2J' }, NOW))).not.toContain(
      '\u001b',
    );
  });
});
