import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLayout } from '../../pipelines/layout/read.ts';
import type { SiteConfig } from '../../pipelines/ports.ts';
import { defaultSettings } from '../../pipelines/rules.ts';
import { sha } from './review.ts';
import { type Moment, openSimulation, type Simulation, withoutFileFilters } from './simulation.ts';
import { momentLine, summarize, summaryText, useOverTime } from './summary.ts';

const LAYOUT = `
pipelines:
  - name: check
    manager: independent
    trigger:
      gerrit:
        - event: patchset-created
        - event: comment-added
          comment: ^recheck
    success: {gerrit: {Verified: 1}}
    failure: {gerrit: {Verified: -1}}
  - name: gate
    manager: dependent
    precedence: high
    require: {approval: [{verified: 1, username: ci}]}
    trigger:
      gerrit:
        - event: comment-added
          approval: [{Workflow: 1}]
        - event: comment-added
          approval: [{Verified: 1}]
          username: ci
    start: {gerrit: {Verified: 0}}
    success: {gerrit: {Verified: 2, submit: true}}
    failure: {gerrit: {Verified: -2}}
  - name: post
    manager: independent
    trigger: {gerrit: {event: ref-updated, ref: ^refs/heads/}}
jobs:
  - name: docs
    files: ^doc/
projects:
  - name: org/p
    check: [unit, docs]
    gate: [unit]
    post: [publish]
`;

function configOf(text = LAYOUT): SiteConfig {
  const { layout, problems } = readLayout([{ name: 'layout.yaml', text }], {
    dialect: 'stackgate',
    connections: { gerrit: 'gerrit' },
  });
  if (layout === undefined) throw new Error(JSON.stringify(problems));
  const jobs = Object.fromEntries(Object.keys(layout.jobs).map((name) => [name, {}]));
  const settings = { ...defaultSettings, accounts: { gerrit: ['ci'] } };
  return { digest: 'd', layout, jobs, needs: {}, settings };
}

const BEGAN = 1_500_000_000;

interface Said {
  readonly type?: string;
  readonly number: number;
  readonly after?: number;
  readonly by?: string;
  readonly on?: number;
  readonly depends?: number;
  readonly patchset?: number;
  readonly comment?: string;
  readonly votes?: Readonly<Record<string, number>>;
}

function line({ type = 'patchset-created', number, after = 0, by = 'jane', ...more }: Said): string {
  const { patchset = 1, on, depends, comment, votes = {} } = more;
  const footer = depends === undefined ? '' : `Depends-On: I${sha(`c${depends}`)}\n`;
  return JSON.stringify({
    type,
    change: {
      project: 'org/p',
      branch: 'master',
      id: `I${sha(`c${number}`)}`,
      number,
      commitMessage: `subject\n\n${footer}Change-Id: I${sha(`c${number}`)}\n`,
    },
    patchSet: {
      number: patchset,
      revision: sha(`${number},${patchset}`),
      parents: [on === undefined ? sha('base') : sha(`${on},1`)],
    },
    [type === 'comment-added' ? 'author' : 'uploader']: { username: by },
    ...(comment === undefined ? {} : { comment: `Patch Set ${patchset}:\n\n${comment}` }),
    approvals: Object.entries(votes).map(([label, value]) => ({ type: label, value: String(value) })),
    eventCreatedOn: BEGAN + after,
  });
}

interface Wanted {
  readonly nodes?: number;
  readonly config?: SiteConfig;
  readonly result?: (job: string, subject: string, run: number) => string;
}

function replay(lines: readonly string[], { nodes, config = configOf(), result }: Wanted = {}): Simulation {
  const simulation = openSimulation({
    config: { ...config, layout: withoutFileFilters(config.layout) },
    connection: 'gerrit',
    user: 'ci',
    nodes,
    duration: () => 60_000,
    result: result ?? (() => 'SUCCESS'),
  });
  for (const each of lines) simulation.event(each);
  simulation.finish();
  return simulation;
}

const told = ({ moments }: Simulation, what: Moment['what']) =>
  moments.filter((each) => each.what === what).map((each) => momentLine(each).slice(29));

describe('a simulation', () => {
  it('tests a patchset, votes, and gates it when the votes are there', () => {
    const simulation = replay([
      line({ number: 1 }),
      line({ type: 'comment-added', number: 1, after: 100, by: 'core', votes: { Workflow: 1 } }),
    ]);
    expect(told(simulation, 'report')).toEqual([
      'check  1,1  success Verified+1',
      'gate  1,1  start Verified0',
      'gate  1,1  success Verified+2, merged',
    ]);
    // What the merge made happen starts what waits for it.
    expect(told(simulation, 'launch')).toEqual([
      'check  1,1  unit',
      'check  1,1  docs',
      'gate  1,1  unit',
      'post  refs/heads/master  publish',
    ]);
    const { pipelines, nodes } = summarize(simulation, undefined);
    expect(pipelines.map(({ name, items, merged }) => [name, items, merged])).toEqual([
      ['check', { SUCCESS: 1 }, 0],
      ['gate', { SUCCESS: 1 }, 1],
      ['post', { SUCCESS: 1 }, 0],
    ]);
    expect(nodes).toMatchObject({ most: 2, nodeTime: 240_000, longestWait: 0 });
  });

  it('starts the gate by its own vote, and leaves out what our account did in the record', () => {
    const simulation = openSimulation({
      config: configOf(),
      connection: 'gerrit',
      user: 'ci',
      nodes: undefined,
      duration: () => 60_000,
      result: () => 'SUCCESS',
    });
    expect(simulation.event(line({ number: 1 }))).toBe('taken');
    const ours = line({ type: 'comment-added', number: 1, after: 1, by: 'ci', votes: { Verified: -1 } });
    expect(simulation.event(ours)).toBe('ours');
    expect(simulation.event('{"type":')).toBe('no event');
    simulation.finish();
    expect(told(simulation, 'report').at(-1)).toBe('gate  1,1  success Verified+2, merged');
  });

  it('lets builds wait for nodes, the gate first', () => {
    const simulation = replay([line({ number: 1 }), line({ number: 2 }), line({ number: 3, after: 1 })], {
      nodes: 1,
    });
    const launches = told(simulation, 'launch');
    expect(launches.slice(0, 3)).toEqual([
      'check  1,1  unit',
      'check  1,1  docs after 1m 00s without a node',
      // Our own vote started it, and it overtakes 2 and 3.
      'gate  1,1  unit',
    ]);
    expect(launches[3]).toBe('check  2,1  unit after 3m 00s without a node');
    const summary = summarize(simulation, 1);
    expect(summary.nodes).toMatchObject({ capacity: 1, most: 1 });
    expect(summaryText(summary)).toContain('in use on average of 1 (');
    expect(useOverTime(simulation.samples, summary.from, summary.to).split('\n')[0]).toMatch(
      /^TIME \(UTC\) +CHECK +GATE +POST +WAITING +NODES$/,
    );
  });

  it('builds on what is ahead, and starts over when that fails', () => {
    const lines = [
      line({ number: 1 }),
      line({ number: 2, on: 1 }),
      line({ number: 3, depends: 1 }),
      line({ number: 4 }),
    ];
    const good = replay(lines);
    expect(told(good, 'report').filter((text) => text.endsWith('merged'))).toHaveLength(4);
    expect(summarize(good, undefined).pipelines.find(({ name }) => name === 'gate')).toMatchObject({
      longestQueue: 4,
      longestTime: 60_000,
    });
    const inGate = 1;
    const bad = replay(lines, {
      result: (_, subject, run) => (subject === '1,1' && run === inGate ? 'FAILURE' : 'SUCCESS'),
    });
    expect(told(bad, 'report').filter((text) => text.startsWith('gate') && !text.includes('start'))).toEqual([
      'gate  1,1  failure Verified-2',
      // What needs it cannot merge; what does not goes on without it.
      'gate  2,1  failure Verified-2',
      'gate  3,1  failure Verified-2',
      'gate  4,1  success Verified+2, merged',
    ]);
  });

  it('is the same whenever it is run, and drops what a newer patchset makes pointless', () => {
    const lines = [line({ number: 1 }), line({ number: 1, patchset: 2, after: 30 })];
    const [one, two] = [replay(lines), replay(lines)];
    expect(one.moments).toEqual(two.moments);
    expect(told(one, 'end').filter((text) => text.includes('CANCELED (superseded) after 30s'))).toHaveLength(
      2,
    );
    expect(told(one, 'report')).toContain('check  1,2  success Verified+1');
  });

  it('fires timers between events', () => {
    const nightly = LAYOUT.replace(
      'jobs:',
      `  - name: nightly
    manager: independent
    trigger: {timer: {time: '0 6 * * *'}}
jobs:`,
    ).concat('    nightly: [unit]\n');
    const day = 86_400;
    const simulation = replay([line({ number: 1 }), line({ number: 2, after: 2 * day })], {
      config: configOf(nightly),
    });
    expect(told(simulation, 'launch').filter((text) => text.startsWith('nightly'))).toHaveLength(2);
  });

  it('refuses what no pool could give, and goes on', () => {
    const config = configOf();
    const needs = { unit: { label: 'big', subnodes: 2 } };
    const simulation = replay([line({ number: 1 })], { nodes: 2, config: { ...config, needs } });
    expect(told(simulation, 'refused')).toEqual(['unit: it wants 3 nodes, and there are 2']);
    expect(told(simulation, 'report')).toEqual(['check  1,1  failure Verified-1']);
  });

  it('lives through whatever strangers wrote', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('1', 'org/p', 'master', 'ci', 'recheck', '\u001b[2J'));
    const value = fc.oneof(word, fc.integer(), fc.constant(null), fc.array(word), fc.dictionary(word, word));
    const event = fc.record(
      {
        type: fc.constantFrom('patchset-created', 'comment-added', 'change-merged', 'ref-updated', 'x'),
        change: fc.oneof(
          value,
          fc.record({ project: fc.constant('org/p'), branch: word, number: fc.integer(), id: word }),
        ),
        patchSet: fc.oneof(value, fc.record({ number: fc.integer({ min: 1, max: 3 }), revision: word })),
        author: fc.oneof(value, fc.record({ username: word })),
        comment: value,
        approvals: value,
        refUpdate: value,
        eventCreatedOn: fc.oneof(fc.integer({ min: 0, max: 4_000_000_000 }), value),
      },
      { requiredKeys: ['type'] },
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 8 }), (events) => {
        replay(events.map((each) => JSON.stringify(each)));
      }),
      { numRuns: 100 },
    );
  });
});
