import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import type { JobDefinition } from '../../jobs/definition.ts';
import { writeJob } from '../../jobs/native/job.ts';
import { readNative } from '../../jobs/native/read.ts';
import type { OwnParts } from '../../jobs/own.ts';
import { readJobs } from '../../jobs/resolve.ts';
import { expandFiles, readFiles } from './jjb-corpus.ts';

const data = new URL('../../../shared/conformance/jjb/', import.meta.url).pathname;
const present = existsSync(data);
if (!present) console.log(`native jobs: ${data} is not there: the round trip of real jobs is skipped`);

const read = (text: string) => readNative({ name: 'jobs.yaml', text });

function mustRead(text: string): JobDefinition {
  const { jobs, problems } = read(text);
  expect(problems).toEqual([]);
  const [job] = jobs;
  if (job === undefined) throw new Error('no job');
  return job;
}

/** What matters of a definition: all but its place and the order of its secrets. */
const bare = ({ place: _place, bindings, ...job }: JobDefinition) => ({
  ...job,
  bindings: bindings
    ?.map((binding) =>
      JSON.stringify(binding, ['kind', 'secret', 'variable', 'user', 'password', 'optional']),
    )
    .sort(),
});
const again = (job: JobDefinition) =>
  mustRead(dump({ jobs: { [job.name]: writeJob(job) } }, { noRefs: true }));

describe('a native job', () => {
  it('asks for several nodes, by number or by name', () => {
    const label = mustRead('jobs: {a: {nodes: {label: jammy, subnodes: 2, network: dvr}}}');
    expect(label).toMatchObject({ node: 'jammy', nodes: { subnodes: 2, network: { topology: 'dvr' } } });
    expect(bare(again(label))).toEqual(bare(label));
    const named = mustRead(`jobs:
  a:
    nodes:
      nodes: [{name: compute1, label: big}, {name: primary, label: jammy && !slow}]
      groups: {compute: [primary, compute1], peers: [compute1]}
      network: {topology: br-infra, mtu: 1400}
`);
    expect(named).toMatchObject({
      node: 'jammy && !slow',
      nodes: {
        members: [
          { name: 'primary', label: 'jammy && !slow' },
          { name: 'compute1', label: 'big' },
        ],
        groups: { compute: ['primary', 'compute1'], peers: ['compute1'] },
        network: { topology: 'br-infra', mtu: 1400 },
      },
    });
    expect(bare(again(named))).toEqual(bare(named));
    const wrong = (nodes: string) =>
      read(`jobs: {a: {nodes: ${nodes}}}`).problems.map(({ message }) => message);
    expect(wrong('{label: x, subnodes: 0}')).toHaveLength(1);
    expect(wrong('{nodes: [{name: a, label: x}], groups: {g: [b]}}')[0]).toContain('there is no node `b`');
    expect(wrong('{nodes: [{name: a, label: x}, {name: a, label: y}]}')[0]).toContain('`a` is there twice');
    expect(wrong('{label: x, subnodes: 1, network: dvrr}')).not.toEqual([]);
  });

  it('is small', () => {
    const job = mustRead(`jobs:
  lint:
    nodes: trusty || xenial
    timeout: 30m
    env: {LEVEL: 2, QUIET: true}
    secrets: {TOKEN: wiki-token}
    steps:
      - make lint
    results:
      - junit: reports/*.xml
    artifacts: ['logs/**']
`);
    expect(job).toEqual({
      name: 'lint',
      node: 'trusty || xenial',
      timeout: { limit: 1_800_000, fail: true },
      environment: { LEVEL: '2', QUIET: 'true' },
      bindings: [{ kind: 'text', secret: 'wiki-token', variable: 'TOKEN' }],
      builders: [{ kind: 'shell', script: 'make lint' }],
      publishers: [
        { kind: 'junit', include: ['reports/*.xml'], allowEmpty: false, unstable: true, health: 1 },
        { kind: 'archive', include: ['logs/**'], exclude: [], allowEmpty: true, onlyIfSuccess: false },
      ],
      parameters: {},
      timestamps: true,
      place: 'jobs.yaml:2:3',
    });
  });

  it('asks builders and publishers of the site what they do, wherever they stand', () => {
    const own: OwnParts = {
      builders: {
        greet: (options, complain) => {
          if (typeof options !== 'string') complain('it wants a name');
          return [{ kind: 'shell', script: `echo ${JSON.stringify(options)}` }];
        },
      },
      publishers: { announce: (options, complain) => options === null && complain('it wants to know where') },
    };
    const text = (step: string, publisher: string) => `jobs:
  one:
    steps:
      - {plugin: greet, options: you}
      - when: always
        steps:
          - ${step}
    after: [{steps: [{plugin: greet, options: after}]}]
    publish:
      - after: {steps: [{plugin: greet, options: last}]}
      - ${publisher}
`;
    const told = (step: string, publisher: string) =>
      readNative({ name: 'j', text: text(step, publisher) }, own);
    const good = told('{plugin: greet, options: all}', '{plugin: announce, options: here}');
    expect(good.problems).toEqual([]);
    const script = (name: string) => ({ kind: 'shell', script: `echo "${name}"` });
    expect(good.jobs).toMatchObject([
      {
        builders: [script('you'), { kind: 'conditional', steps: [script('all')] }],
        publishers: [
          { kind: 'after', steps: [script('after')] },
          { kind: 'after', steps: [script('last')] },
          { kind: 'own', name: 'announce', options: 'here' },
        ],
      },
    ]);
    const bad = told('{plugin: gret}', '{plugin: announce}');
    expect(bad.problems).toMatchObject([
      { message: 'it wants to know where', at: { line: 11 } },
      { message: 'The site has no builder plug-in "gret".', at: { line: 7 }, hint: 'did you mean `greet`?' },
    ]);
    expect(told('{plugin: greet}', '{plugin: announce, options: x}').problems).toMatchObject([
      { message: 'it wants a name', at: { line: 7, column: 13 } },
    ]);
  });

  it('shows every mistake at its place, and asks what was meant', () => {
    const { problems } = read(`jobs:
  one:
    nodes: a ||
    timeuot: 3h
    env: {VERSION: 1.10, 2x: a}
    steps:
      - make
      - {shel: make}
      - when: {equal: [a]}
        steps: [make]
    results: [{junit: [], unstabel: true}]
  'bad?name':
    steps: [{copy: {job: x, build: last-succesful}}]
`);
    const told = problems.map(
      ({ at, message, hint }) => `${at?.line}:${at?.column} ${message} (${hint ?? ''})`,
    );
    const has = (pattern: RegExp) => expect(told.filter((line) => pattern.test(line))).toHaveLength(1);
    has(/^3:5 jobs\.one\.nodes: /);
    has(/^4:5 unknown key `timeuot` in jobs\.one \(did you mean `timeout`\?\)/);
    has(/^5:11 jobs\.one\.env\.VERSION: .*quotes/);
    has(/^8:10 unknown key `shel` in jobs\.one\.steps\[1\] \(did you mean `shell`\?\)/);
    has(/^9:16 jobs\.one\.steps\[2\]\.when\.equal/);
    has(/^11:27 unknown key `unstabel` in jobs\.one\.results\[0\] \(did you mean `unstable`\?\)/);
    has(/^12:3 .*this cannot be the name of a job|^12:3 .*Invalid key/);
  });

  it('keeps anchors in sections of their own', () => {
    expect(mustRead('_steps: &steps [make]\njobs:\n  a: {steps: *steps}\n').builders).toHaveLength(1);
  });
});

describe.skipIf(!present)('what JJB says can be said natively', () => {
  it("by every part of JJB's own fixtures that is supported", () => {
    const kinds = new Set<string>();
    for (const list of ['builders', 'publishers', 'wrappers', 'parameters', 'properties', 'triggers']) {
      const folder = join(data, 'fixtures/tests', list, 'fixtures');
      for (const file of existsSync(folder) ? readdirSync(folder) : []) {
        if (!file.endsWith('.yaml')) continue;
        const text = readFileSync(join(folder, file), 'utf8');
        const indented = text
          .split('\n')
          .map((line) => `    ${line}`)
          .join('\n');
        const source = { name: file, text: `- job:\n    name: fixture\n${indented}\n` };
        const { jobs } = readJobs([source], { read: () => undefined, unsupported: 'ignore' });
        const job = jobs['fixture'];
        // Where the site leaves out what is unsupported, nothing may be left of a part.
        const hollow = job?.publishers.some((each) => each.kind === 'xunit' && each.reports.length === 0);
        if (job === undefined || hollow === true) continue;
        for (const part of [...job.builders, ...job.publishers, ...(job.bindings ?? [])])
          kinds.add(part.kind);
        expect([file, bare(again(job))]).toEqual([file, bare(job)]);
      }
    }
    expect([...kinds].sort()).toEqual(
      expect.arrayContaining([
        'after',
        'archive',
        'conditional',
        'copy',
        'inject',
        'junit',
        'mail',
        'mail-ext',
        'shell',
        'text-finder',
        'trigger',
        'xunit',
      ]),
    );
  });

  it('by jobs of the starter repository', () => {
    const files = readFiles(join(data, 'real/project-config-example/in/jenkins/jobs'));
    expect(expandFiles(files).jobs.size).toBeGreaterThan(0);
    const { jobs } = readJobs(
      files.filter(({ name }) => name.endsWith('.yaml')),
      { read: () => undefined, unsupported: 'ignore' },
    );
    for (const job of Object.values(jobs)) expect(bare(again(job))).toEqual(bare(job));
  });
});
