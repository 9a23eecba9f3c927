import { describe, expect, it } from 'vitest';
import { type ReadJobsOptions, readJobs } from '../../resolve.ts';

/** What becomes of each builder, publisher, wrapper, property and trigger that JJB knows and we run. */

function read(body: string, options: Partial<ReadJobsOptions> = {}) {
  const text = `- job:\n    name: a\n${body.replace(/^/gm, '    ')}\n`;
  const others = ['b', 'c', 'd', 'e', 'x'].map((name) => `- job: {name: ${name}}\n`).join('');
  return readJobs([{ name: 'a.yaml', text: `${text}${others}` }], {
    read: () => undefined,
    unsupported: 'error',
    ...options,
  });
}

function job(body: string, options: Partial<ReadJobsOptions> = {}) {
  const { jobs, problems } = read(body, options);
  expect(problems.filter((problem) => problem.severity === 'error')).toEqual([]);
  return jobs['a'];
}

const told = (body: string, options: Partial<ReadJobsOptions> = {}) =>
  read(body, options).problems.map(({ code, at, message }) => [code, at?.line, message]);

describe('builders', () => {
  it('inject', () => {
    expect(
      job("builders: [{inject: {properties-file: x.properties, properties-content: 'A=b'}}]")?.builders,
    ).toEqual([{ kind: 'inject', file: 'x.properties', content: 'A=b' }]);
  });

  it('conditional-step, with macros inside and conditions inside conditions', () => {
    const text = `- builder: {name: hello, builders: [{shell: 'echo {who}'}]}
- job:
    name: a
    builders:
      - conditional-step:
          condition-kind: and
          condition-operands:
            - {condition-kind: regex-match, regex: 'stable/.*', label: '\${ZUUL_BRANCH}'}
            - {condition-kind: not, condition-operand: {condition-kind: file-exists, condition-filename: skip}}
          on-evaluation-failure: dont-run
          steps:
            - hello: {who: you}
            - conditional-step: {condition-kind: always, steps: [{shell: inner}]}
`;
    const { jobs, problems } = readJobs([{ name: 'a.yaml', text }], {
      read: () => undefined,
      unsupported: 'error',
    });
    expect(problems).toMatchObject([{ code: 'unused-job' }].slice(1));
    expect(jobs['a']?.builders).toEqual([
      {
        kind: 'conditional',
        condition: {
          kind: 'and',
          operands: [
            { kind: 'regex', pattern: 'stable/.*', text: '${ZUUL_BRANCH}' },
            { kind: 'not', operand: { kind: 'file', path: 'skip' } },
          ],
        },
        undecided: 'skip',
        steps: [
          { kind: 'shell', script: 'echo you' },
          {
            kind: 'conditional',
            condition: { kind: 'always' },
            undecided: 'fail',
            steps: [{ kind: 'shell', script: 'inner' }],
          },
        ],
      },
    ]);
  });

  it('conditions that cannot be, with their place', () => {
    const condition = (text: string) =>
      `builders:\n  - conditional-step:\n      steps: []\n${text.replace(/^/gm, '      ')}`;
    expect(told(condition('condition-kind: moon'))).toMatchObject(
      [['unsupported-builder-option', 6, /moon/]].map(([a, b]) => [a, b, expect.anything()]),
    );
    expect(told(condition("condition-kind: regex-match\nregex: '(?=a)'"))).toMatchObject([
      ['unsupported-builder-option', 7, expect.anything()],
    ]);
    expect(told(condition('condition-kind: or'))).toMatchObject([['part-options', 5, expect.anything()]]);
    expect(told(condition('condition-kind: never\ncondition-file: x'))).toMatchObject([
      ['unsupported-builder-option', 7, expect.anything()],
    ]);
    expect(told(condition('condition-kind: never\non-evaluation-failure: mark-unstable'))).toMatchObject([
      ['unsupported-builder-option', 7, expect.anything()],
    ]);
  });

  it('trigger-builds', () => {
    const text = `builders:
  - trigger-builds:
      - project: [b, c]
        predefined-parameters: |
          X=$Y
        bool-parameters: [{name: FLAG, value: true}]
        current-parameters: true
        block: true
        block-thresholds: {unstable-threshold: never}
      - project: d, e
        property-file: p
        property-file-fail-on-missing: false
`;
    expect(job(text)?.builders).toEqual([
      {
        kind: 'trigger',
        jobs: ['b', 'c'],
        parameters: 'X=$Y\n\nFLAG=true',
        current: true,
        fileRequired: true,
        block: { stop: 'FAILURE', unstable: 'never', failure: 'FAILURE' },
      },
      { kind: 'trigger', jobs: ['d', 'e'], parameters: '', current: false, file: 'p', fileRequired: false },
    ]);
    expect(told('builders: [{trigger-builds: {project: x}}]')).toMatchObject([
      ['part-options', 3, expect.anything()],
    ]);
    expect(told('builders: [{trigger-builds: [{project: x, same-node: true}]}]')).toMatchObject([
      ['unsupported-builder-option', 3, expect.anything()],
    ]);
  });

  it('copyartifact', () => {
    expect(
      job(
        "builders: [{copyartifact: {project: b, filter: 'x/*', target: in, flatten: true, result-var-suffix: B}}]",
      )?.builders,
    ).toEqual([
      {
        kind: 'copy',
        job: 'b',
        which: { kind: 'last-successful', stable: false },
        include: ['x/*'],
        exclude: [],
        target: 'in',
        flatten: true,
        optional: false,
        variable: 'COPYARTIFACT_BUILD_NUMBER_B',
      },
    ]);
    const which = (options: string) =>
      job(`builders: [{copyartifact: {project: b, ${options}}}]`)?.builders.map((each) =>
        'which' in each ? each.which : each,
      );
    expect(which('which-build: specific-build, build-number: 7')).toEqual([{ kind: 'number', number: '7' }]);
    expect(which('which-build: permalink, permalink: last-failed')).toEqual([{ kind: 'last-failed' }]);
    expect(which('which-build: build-param, param: N')).toEqual([{ kind: 'parameter', name: 'N' }]);
    expect(told('builders: [{copyartifact: {project: b, which-build: multijob-build}}]')).toMatchObject([
      ['unsupported-builder-option', 3, expect.anything()],
    ]);
  });
});

describe('publishers', () => {
  it('junit and xunit', () => {
    expect(
      job(
        'publishers: [{junit: {results: "a/*.xml, b.xml", health-scale-factor: 2.0, allow-empty-results: true}}]',
      )?.publishers,
    ).toEqual([
      { kind: 'junit', include: ['a/*.xml', 'b.xml'], allowEmpty: true, unstable: true, health: 2 },
    ]);
    const text = `publishers:
  - xunit:
      thresholdmode: percent
      thresholds:
        - failed: {unstable: 0, failure: '10'}
        - skipped: {unstablenew: 5}
      types:
        - junit: {pattern: 'log/*.xml', skip-if-no-test-files: true}
        - phpunit: {pattern: p.xml, stoponerror: false}
`;
    expect(job(text)?.publishers).toEqual([
      {
        kind: 'xunit',
        reports: [
          { include: ['log/*.xml'], skipIfNone: true, stopOnError: true },
          { include: ['p.xml'], skipIfNone: false, stopOnError: false },
        ],
        percent: true,
        failed: { unstable: 0, failure: 10 },
        skipped: { unstableNew: 5 },
      },
    ]);
    expect(told('publishers: [{xunit: {types: [{valgrind: {pattern: x}}]}}]')).toMatchObject([
      ['unsupported-publisher-option', 3, expect.anything()],
    ]);
  });

  it('scp goes to a host of the site, else to the log site', () => {
    const text = `publishers:
  - scp:
      site: static.example.org
      files:
        - {target: 'logs/$LOG_PATH', copy-console: true, copy-after-failure: true}
        - {target: 'logs/$LOG_PATH', source: 'a/**', keep-hierarchy: true}
`;
    expect(job(text, { scpSites: ['static.example.org'] })?.publishers).toEqual([
      {
        kind: 'scp',
        site: 'static.example.org',
        files: [
          { include: [], target: 'logs/$LOG_PATH', console: true, afterFailure: true, keepHierarchy: false },
          {
            include: ['a/**'],
            target: 'logs/$LOG_PATH',
            console: false,
            afterFailure: false,
            keepHierarchy: true,
          },
        ],
      },
    ]);
    expect(job(text)?.publishers).toEqual([
      { kind: 'archive', include: ['a/**'], exclude: [], allowEmpty: true, onlyIfSuccess: true },
    ]);
  });

  it('postbuildscript in the form before its version 2 and in the one since', () => {
    const shell = [{ kind: 'shell', script: 'x' }];
    const all = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED'];
    const on = (options: string) =>
      job(`publishers: [{postbuildscript: {builders: [{shell: x}]${options}}}]`)?.publishers;
    expect(on('')).toEqual([{ kind: 'after', on: ['SUCCESS'], steps: shell, unstable: false }]);
    expect(on(', onfailure: false, onsuccess: false')).toEqual([
      { kind: 'after', on: all, steps: shell, unstable: false },
    ]);
    expect(
      on(', script-only-if-succeeded: false, script-only-if-failed: true, mark-unstable-if-failed: true'),
    ).toEqual([
      { kind: 'after', on: ['FAILURE', 'UNSTABLE', 'ABORTED', 'NOT_BUILT'], steps: shell, unstable: true },
    ]);
    const since =
      'publishers: [{postbuildscript: {builders: [{role: SLAVE, build-on: [FAILURE], build-steps: [{shell: x}]}]}}]';
    expect(job(since)?.publishers).toEqual([
      { kind: 'after', on: ['FAILURE'], steps: shell, unstable: false },
    ]);
  });

  it('email and email-ext', () => {
    expect(
      job('publishers: [{email: {recipients: "a@x b@x", notify-every-unstable-build: false}}]')?.publishers,
    ).toEqual([{ kind: 'mail', recipients: ['a@x', 'b@x'], everyUnstable: false }]);
    expect(
      job("publishers: [{email-ext: {recipients: 'a@x, b@x', fixed: true, attach-build-log: true}}]")
        ?.publishers,
    ).toMatchObject([
      {
        kind: 'mail-ext',
        recipients: ['a@x', 'b@x'],
        on: ['failure', 'fixed'],
        attachLog: true,
        subject: '$DEFAULT_SUBJECT',
      },
    ]);
  });

  it('text-finder, and cleaning that is never needed', () => {
    expect(
      job(
        'publishers: [workspace-cleanup, {text-finder: {regexp: oops, also-check-console-output: true, unstable-if-found: true}}]',
      )?.publishers,
    ).toEqual([{ kind: 'text-finder', pattern: 'oops', include: [], console: true, result: 'UNSTABLE' }]);
    expect(told("publishers: [{text-finder: {regexp: '(?=x)'}}]")).toMatchObject([
      ['part-options', 3, expect.anything()],
    ]);
  });
});

describe('wrappers, parameters, properties and triggers', () => {
  it('every kind of timeout', () => {
    const timeout = (options: string) => job(`wrappers: [{timeout: {${options}}}]`)?.timeout;
    expect(timeout('timeout: 5, timeout-var: BUILD_TIMEOUT, fail: true')).toEqual({
      limit: 300_000,
      fail: true,
      variable: 'BUILD_TIMEOUT',
    });
    expect(timeout('type: no-activity, timeout: 2')).toEqual({
      limit: 120_000,
      fail: false,
      strategy: { kind: 'no-activity' },
    });
    expect(timeout('type: elastic, elastic-percentage: 150, elastic-default-timeout: 30')).toEqual({
      limit: 1_800_000,
      fail: false,
      strategy: { kind: 'elastic', percent: 150, builds: 3 },
    });
    expect(timeout('type: likely-stuck')).toEqual({
      limit: 86_400_000,
      fail: false,
      strategy: { kind: 'likely-stuck' },
    });
  });

  it('credentials', () => {
    const text = `wrappers:
  - credentials-binding:
      - text: {credential-id: api, variable: TOKEN}
      - username-password-separated: {credential-id: nexus, username: U, password: P}
      - file: {credential-id: kube, variable: KUBECONFIG}
  - ssh-agent-credentials: {users: [deploy]}
`;
    expect(job(text)?.bindings).toEqual([
      { kind: 'text', secret: 'api', variable: 'TOKEN' },
      { kind: 'pair', secret: 'nexus', user: 'U', password: 'P' },
      { kind: 'file', secret: 'kube', variable: 'KUBECONFIG' },
      { kind: 'ssh-agent', secret: 'deploy', optional: false },
    ]);
    expect(
      told('wrappers: [{credentials-binding: [{text: {credential-id: x, variable: a-b}}]}]'),
    ).toMatchObject([['part-options', 3, expect.anything()]]);
  });

  it('parameters of every kind, one of which says where it runs', () => {
    const text = `node: anywhere
parameters:
  - string: {name: S, default: x}
  - password: {name: P, default: geheim}
  - bool: {name: B, default: true}
  - choice: {name: C, choices: [one, two]}
  - hidden: {name: H, default: h}
  - validating-string: {name: V, default: '12', regex: '\\d+'}
  - label: {name: NODE, default: 'xenial && big'}
`;
    expect(job(text)).toMatchObject({
      node: 'xenial && big',
      parameters: { S: 'x', P: 'geheim', B: 'true', C: 'one', H: 'h', V: '12', NODE: 'xenial && big' },
      passwords: ['P'],
    });
    expect(told("parameters: [{validating-string: {name: V, default: x, regex: '[0-9]+'}}]")).toMatchObject([
      ['parameter-default', 3, expect.anything()],
    ]);
  });

  it('how many run at a time, how long they stay, and when', () => {
    expect(job('concurrent: false')?.throttle).toEqual({ name: 'job a', total: 1 });
    expect(job('concurrent: true')?.throttle).toBe(undefined);
    expect(
      job('properties: [{throttle: {option: category, categories: [cloud], max-total: 3}}]')?.throttle,
    ).toEqual({
      name: 'category cloud',
      total: 3,
    });
    expect(job('properties: [{build-discarder: {days-to-keep: 3, num-to-keep: 10}}]')?.discard).toEqual({
      days: 3,
      builds: 10,
    });
    expect(job('logrotate: {daysToKeep: 3, numToKeep: -1}')?.discard).toEqual({ days: 3 });
    expect(job("triggers: [{timed: 'H 3 * * *'}]")?.timed).toBe('H 3 * * *');
  });
});

describe('other jobs', () => {
  it('must be there', () => {
    const other =
      '\n- job: {name: b, builders: []}\n- job: {name: c, builders: []}\n- job: {name: d, builders: []}\n- job: {name: e, builders: []}\n';
    const text = `- job:\n    name: a\n    builders:\n      - trigger-builds: [{project: [b, builder]}]\n    publishers: [{postbuildscript: {builders: [{copyartifact: {project: dd}}]}}]${other}`;
    const { problems } = readJobs([{ name: 'a.yaml', text }], {
      read: () => undefined,
      unsupported: 'error',
    });
    expect(problems.map(({ code, message, at, hint }) => [code, message, at?.line, hint])).toEqual([
      ['unknown-job', 'Job "a" triggers job "builder", which no job file defines.', 2, undefined],
      ['unknown-job', 'Job "a" copies from job "dd", which no job file defines.', 2, 'Did you mean "d"?'],
    ]);
  });
});

describe('the site', () => {
  it('names scripts that a job calls and the site lacks', () => {
    const body =
      'builders:\n  - shell: |\n      /usr/local/jenkins/slave_scripts/run-tox.sh py27\n      . /usr/local/jenkins/slave_scripts/lib/common.sh';
    const scripts = new Set(['run-tux.sh', 'lib/common.sh']);
    const { problems } = read(body, { slaveScripts: scripts });
    expect(problems).toMatchObject([
      {
        severity: 'error',
        code: 'unsupported-slave-script',
        at: { line: 4 },
        hint: 'Did you mean "run-tux.sh"?',
      },
    ]);
    expect(problems[0]?.message).toContain('/usr/local/jenkins/slave_scripts/run-tox.sh');
    expect(read(body, { slaveScripts: scripts, unsupported: 'ignore' }).problems).toMatchObject([
      { severity: 'warning' },
    ]);
  });

  it('has builders and publishers of its own', () => {
    const own: ReadJobsOptions['own'] = {
      builders: {
        greet: (options, complain) => {
          if (typeof options !== 'string') complain('it wants a name');
          return [{ kind: 'shell', script: `echo ${JSON.stringify(options)}` }];
        },
      },
      publishers: { announce: () => undefined },
    };
    expect(job('builders: [{greet: you}]\npublishers: [{announce: {to: me}}]', { own })).toMatchObject({
      builders: [{ kind: 'shell', script: 'echo "you"' }],
      publishers: [{ kind: 'own', name: 'announce', options: { to: 'me' } }],
    });
    expect(told('builders: [greet]', { own })).toEqual([['own-part', 3, 'greet: it wants a name']]);
    expect(read('builders: [{gret: you}]', { own }).problems).toMatchObject([
      { hint: 'Did you mean "greet"?' },
    ]);
  });
});
