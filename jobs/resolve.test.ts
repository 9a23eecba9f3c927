import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JobDefinition } from './definition.ts';
import { renderProblems } from './problem.ts';
import { type ReadJobsOptions, readJobs } from './resolve.ts';

function read(text: string, options: Partial<ReadJobsOptions> & { files?: Record<string, string> } = {}) {
  const { files = {}, ...rest } = options;
  const source = { name: 'jobs/x.yaml', text };
  const result = readJobs([source], { read: (path) => files[path], unsupported: 'error', ...rest });
  return { ...result, text: renderProblems(result.problems, [source]) };
}

const vendor = `
- defaults:
    name: global
    description: Run by our CI.
    wrappers:
      - timeout: {timeout: 120, timeout-var: BUILD_TIMEOUT, fail: true}
      - timestamps

- builder:
    name: devstack
    builders:
      - shell: |
          #!/bin/bash -xe
          export DEVSTACK_GATE_TEMPEST_REGEX="{regex}"
          ./safe-devstack-vm-gate-wrap.sh

- publisher:
    name: devstack-logs
    publishers:
      - scp:
          site: logs
          files:
            - {target: 'logs/$LOG_PATH', source: 'logs/**, *.xml', copy-after-failure: true}
            - {target: 'logs/$LOG_PATH', copy-console: true}

- job-template:
    name: 'dsvm-tempest-{driver}'
    node: '{node}'
    parameters:
      - string: {name: ZUUL_URL, default: 'http://zuul/p'}
      - choice: {name: KIND, choices: [full, smoke]}
      - bool: {name: KEEP, default: true}
    builders:
      - devstack: {regex: 'volume.*{driver}'}
    publishers:
      - devstack-logs
      - archive: {artifacts: 'results/, *.subunit', excludes: '*.tmp', only-if-success: true}

- project:
    name: vendor
    node: d-p-c || trusty
    driver: [lvm, ceph]
    jobs: ['dsvm-tempest-{driver}']
`;

describe('job files of a vendor', () => {
  it('become definitions', () => {
    const { jobs, problems, raw } = read(vendor);
    expect(problems).toEqual([]);
    expect(Object.keys(jobs)).toEqual(['dsvm-tempest-lvm', 'dsvm-tempest-ceph']);
    expect(jobs['dsvm-tempest-ceph']).toEqual({
      name: 'dsvm-tempest-ceph',
      description: 'Run by our CI.',
      node: 'd-p-c || trusty',
      builders: [
        {
          kind: 'shell',
          script:
            '#!/bin/bash -xe\nexport DEVSTACK_GATE_TEMPEST_REGEX="volume.*ceph"\n./safe-devstack-vm-gate-wrap.sh\n',
        },
      ],
      timeout: { limit: 7_200_000, fail: true, variable: 'BUILD_TIMEOUT' },
      timestamps: true,
      publishers: [
        {
          kind: 'archive',
          include: ['logs/**', '*.xml'],
          exclude: [],
          allowEmpty: true,
          onlyIfSuccess: false,
        },
        {
          kind: 'archive',
          include: ['results/**', '*.subunit'],
          exclude: ['*.tmp'],
          allowEmpty: false,
          onlyIfSuccess: true,
        },
      ],
      parameters: { ZUUL_URL: 'http://zuul/p', KIND: 'full', KEEP: 'true' },
      place: 'jobs/x.yaml:27:5',
    });
    expect(() => JobDefinition.parse(jobs['dsvm-tempest-lvm'])).not.toThrow();
    expect(raw['dsvm-tempest-lvm']).toMatchObject({ wrappers: [{ timeout: {} }, { timestamps: {} }] });
  });

  it('give an error for what is not supported, with the chain that led there', () => {
    const text = `
- publisher:
    name: tell
    publishers:
      - irc: {channel: '#ci'}
- job-template:
    name: 'a-{x}'
    publishers: [tell]
- project:
    name: p
    x: [1, 2]
    jobs: ['a-{x}']
`;
    const strict = read(text);
    expect(strict.jobs).toEqual({});
    expect(strict.text).toBe(
      [
        'jobs/x.yaml:5:9: error[unsupported-publisher]: The publisher "irc" is not supported.',
        "    5 |       - irc: {channel: '#ci'}",
        '      |         ^',
        '        from publisher macro tell (jobs/x.yaml:3:5)',
        '        from call of tell (jobs/x.yaml:8:18)',
        '        from job-template a-{x} (jobs/x.yaml:7:5)',
        '        from its entry a-{x} (jobs/x.yaml:12:12)',
        '        from project p (jobs/x.yaml:10:5)',
        '        from and 1 more like it',
        '        help: Remove it, or set "unsupported: ignore" to run without it.',
      ].join('\n'),
    );
    const lenient = read(text, { unsupported: 'ignore' });
    expect(Object.keys(lenient.jobs)).toEqual(['a-1', 'a-2']);
    expect(lenient.problems).toMatchObject([{ severity: 'warning', code: 'unsupported-publisher' }]);
  });

  it.each([
    ['builders: [{maven-target: {goals: x}}]', 'unsupported-builder', 3],
    ['builders: [{shell: {}}]', 'part-options', 3],
    ['builders: {shell: x}', 'jjb-shape', 3],
    ['wrappers: [{timeout: {timeout: soon}}]', 'part-options', 3],
    ['wrappers: [{timeout: {type: elastic}}]', 'timeout', 3],
    ['wrappers: [{timeout: {type: deadline}}]', 'unsupported-wrapper-option', 3],
    ['wrappers: [{timeout: {tiemout: 3}}]', 'unsupported-wrapper-option', 3],
    ['publishers: [{archive: {}}]', 'part-options', 3],
    ["triggers: [{timed: '61 * * * *'}]", 'timed', 3],
    ['triggers: [{pollscm: {cron: x}}]', 'unsupported-trigger', 3],
    ['scm: [{git: {url: x}}]', 'unsupported-scm', 3],
    ['axes: [{axis: {}}]', 'unsupported-list', 3],
    ['project-type: matrix', 'unsupported-project-type', 3],
    ["node: 'a b'", 'label', 3],
    ["parameters: [{string: {name: 'a-b'}}]", 'parameter-name', 3],
    ['parameters: [{run: {name: a}}]', 'unsupported-parameter', 3],
    ['description: [a]', 'jjb-shape', 3],
    ['properties: [{priority: {}}]', 'unsupported-property', 3],
  ])('%s is an error', (line, code, row) => {
    const { problems, jobs } = read(`- job:\n    name: a\n    ${line}\n`);
    expect(problems).toMatchObject([{ severity: 'error', code, at: { line: row } }]);
    expect(jobs).toEqual({});
  });

  it.each([
    ['properties: [{rebuild: {}}]', 'ignored-property'],
    ['publishers: [{archive: {artifacts: x, fingerprint: true}}]', 'ignored-option'],
    ['builders: [{shell: /usr/local/jenkins/slave_scripts/run-tox.sh}]', 'slave-scripts'],
  ])('%s is a warning', (line, code) => {
    const { problems, jobs } = read(`- job:\n    name: a\n    ${line}\n`);
    expect(problems).toMatchObject([{ severity: 'warning', code }]);
    expect(Object.keys(jobs)).toEqual(['a']);
  });

  it('takes variables of a build from inject, and python scripts', () => {
    const text = (content: string) => `
- job:
    name: a
    wrappers:
      - inject: {properties-content: ${JSON.stringify(content)}}
    properties:
      - inject: {keep-system-variables: true, properties-content: 'LANG=C'}
    builders:
      - python: print(1)
`;
    expect(read(text('# words\nA = b c\nD=')).jobs['a']).toMatchObject({
      environment: { LANG: 'C', A: 'b c', D: '' },
      builders: [{ kind: 'shell', script: '#!/usr/bin/env python\nprint(1)' }],
    });
    const onNode = read(text('A=$WORKSPACE/x')).jobs['a'];
    expect(onNode?.environment).toEqual({ LANG: 'C' });
    expect(onNode?.builders[0]).toEqual({ kind: 'inject', content: 'A=$WORKSPACE/x' });
  });

  it('helps with slips', () => {
    const macro = '- builder: {name: net-info, builders: [{shell: x}]}\n';
    expect(read(`${macro}- job: {name: a, builders: [net-ifno]}`).problems).toMatchObject([
      { code: 'unsupported-builder', hint: 'Did you mean "net-info"?' },
    ]);
    expect(
      read('- job:\n    name: a\n    builders:\n      - shell: x\n        fail: true\n').problems,
    ).toMatchObject([{ severity: 'warning', code: 'ignored-key', at: { line: 5, column: 9 } }]);
    expect(read('- job: {name: a:b}').problems).toMatchObject([{ code: 'job-name' }]);
    expect(read('- job: {name: ../b}').problems).toMatchObject([{ code: 'job-name' }]);
    expect(read('- view: {name: v}').problems).toMatchObject([
      { severity: 'warning', code: 'ignored-section' },
    ]);
  });

  it('tells nothing but the syntax error while a file cannot be read', () => {
    const sources = [
      { name: 'a.yaml', text: '- builder: {name: m, builders: [' },
      { name: 'b.yaml', text: '- job: {name: j, builders: [m]}' },
    ];
    const { problems } = readJobs(sources, { read: () => undefined, unsupported: 'error' });
    expect(problems.map(({ at }) => at?.file)).toEqual(['a.yaml']);
  });

  it('leaves a disabled job out and says so', () => {
    const { problems, jobs } = read('- job:\n    name: a\n    disabled: true\n');
    expect(jobs).toEqual({});
    expect(problems).toMatchObject([{ severity: 'warning', code: 'disabled-job' }]);
  });
});

const pieces = fc.constantFrom(
  ...vendor.split(/(\s+|[{}:'"[\]-])/).filter((piece) => piece !== ''),
  '<<: ',
  '*a',
  '&a ',
  '!include: x',
  '!include-raw: {v}',
  '!j2: "{{ a }}"',
  '!join: [a, b]',
  '{obj:x}',
  '{{',
  'exclude',
  'null',
);

describe('strangers', () => {
  it('never make it throw', () => {
    const mutated = fc
      .array(fc.tuple(fc.nat(vendor.length), fc.nat(12), pieces), { maxLength: 4 })
      .map((edits) =>
        edits.reduce((text, [at, drop, put]) => text.slice(0, at) + put + text.slice(at + drop), vendor),
      );
    const files = { 'jobs/x': '- a: *b', x: '{a', v: '}' };
    fc.assert(
      fc.property(fc.oneof(fc.string(), mutated), (text) => {
        const { problems, jobs } = read(text, { files, unsupported: 'ignore' });
        for (const problem of problems) expect(problem.message).not.toBe('');
        for (const job of Object.values(jobs)) JobDefinition.parse(job);
      }),
      { numRuns: 400 },
    );
  });
});
