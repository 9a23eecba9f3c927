import { describe, expect, it } from 'vitest';
import type { Change } from './change.ts';
import type { GerritEvent } from './event.ts';
import { explainChange, explainEvent, renderExplained } from './explain.ts';
import { readLayout } from './layout/read.ts';

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

const read = readLayout([{ name: 'layout.yaml', text: LAYOUT }], {
  dialect: 'stackgate',
  connections: { gerrit: 'gerrit' },
});
const layout = read.layout;
if (layout === undefined) throw new Error(JSON.stringify(read.problems));

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
    expect(renderExplained(explainEvent(layout, event, change, NOW))).toBe(
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
        '    + requirements',
        '    - submittable: Code-Review is missing',
        '    + job unit (non-voting)  [layout.yaml:22:5]',
      ].join('\n'),
    );
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
