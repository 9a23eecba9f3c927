import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Problem, renderProblems } from '../../jobs/problem.ts';
import type { Layout, LayoutRead } from '../layout.ts';
import { type LayoutOptions, readLayout } from './read.ts';

const CONNECTIONS = { gerrit: 'gerrit', mail: 'smtp', results: 'sql' } as const;

function read(text: string, options: Partial<LayoutOptions> = {}): LayoutRead {
  return readLayout([{ name: 'layout.yaml', text }], {
    dialect: 'stackgate',
    connections: CONNECTIONS,
    ...options,
  });
}

function mustRead(text: string, options: Partial<LayoutOptions> = {}): Layout {
  const { layout, problems } = read(text, options);
  if (layout === undefined) throw new Error(renderProblems(problems));
  return layout;
}

function brief(problems: readonly Problem[]): string[] {
  return problems.map((problem) => {
    const { at, severity, code, path, hint } = problem;
    return `${at?.line ?? '?'}:${at?.column ?? '?'} ${severity} ${code} ${path ?? ''}${hint === undefined ? '' : ` (${hint})`}`;
  });
}

const CHECK = `
pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger: {gerrit: [{event: patchset-created}]}
`;

describe('problems', () => {
  it('say of swift and sql, which Zuul had, that they do nothing here', () => {
    const { problems, layout } = read(`
pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger: {gerrit: [{event: patchset-created}]}
    success: {gerrit: {Verified: 1}, results: {score: 1}}
    failure: {gerrit: {Verified: -1}, results: }
jobs:
  - name: unit
    swift: [{name: logs, container: x}, {name: images}]
projects:
  - {name: org/p, check: [unit]}
`);
    expect(layout).toBeDefined();
    expect(problems.map(({ severity, code, at }) => `${severity} ${code} ${at?.line}:${at?.column}`)).toEqual(
      ['warning sql-ignored 6:38', 'warning sql-ignored 7:39', 'warning swift-ignored 10:5'],
    );
  });

  it('come all at once, with their places and what was meant', () => {
    const { layout, problems } = read(`
pipelines:
  - name: check
    manger: independent
    manager: IndependantPipelineManager
    trigger:
      gerit:
        - event: patchset-created
    ailure: {gerrit: {Verified: -1}}
    success: {gerrit: {verfied: 1}}
    window-floor: 0
jobs:
  - name: a
    branch: '('
    parameter-function: set_node
projects:
  - name: org/p
    chek: [a]
    template: [{name: pyton, x: 1}]
project-templates:
  - name: python
    check: ['{name}-{version}']
`);
    expect(layout).toBeUndefined();
    expect(brief(problems)).toEqual([
      '4:5 error unknown-key pipelines[0].manger (Did you mean "manager"?)',
      '5:5 error wrong-value pipelines[0].manager (Did you mean "IndependentPipelineManager"?)',
      '7:7 error unknown-trigger pipelines[0].trigger.gerit (Did you mean "gerrit"?)',
      '9:5 error unknown-key pipelines[0].ailure (Did you mean "failure"?)',
      '10:24 warning unknown-label pipelines[0].success.gerrit.verfied (Did you mean "Verified"? Labels are spelled as Gerrit has them, capitals included.)',
      '11:5 error too-small pipelines[0].window-floor',
      '14:5 error bad-pattern jobs[0].branch',
      '15:5 error unknown-function jobs[0].parameter-function (Python is not run here: declare a parameter rule of this name in the site’s configuration.)',
      '18:5 error unknown-pipeline projects[0].chek (Did you mean "check"? Else add a pipeline "chek", or take it out here. Pipelines: check.)',
      '19:16 error unknown-template projects[0].template (Did you mean "python"?)',
    ]);
  });

  it('explain conflict markers as such', () => {
    const { problems } = read(`${CHECK}<<<<<<< HEAD\nprojects: []\n=======\nprojects: []\n>>>>>>> other\n`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ severity: 'error', at: { line: 6, column: 1 } });
    expect(problems[0]?.message).toContain('conflict');
  });

  it('warn of a metajob that comes too late and of one that nothing matches', () => {
    const { layout, problems } = read(`${CHECK}
jobs:
  - name: gate-a
  - name: ^gate-.*$
    voting: false
  - name: ^nothing$
projects: [{name: org/p, check: [gate-a, gate-b]}]
`);
    expect(layout?.jobs['gate-a']?.voting).toBe(true);
    expect(layout?.jobs['gate-b']?.voting).toBe(false);
    expect(problems.map((problem) => problem.code)).toEqual(['late-metajob', 'idle-metajob']);
  });

  it('refuse look-around on comments, which strangers write', () => {
    const { problems } = read(`
pipelines:
  - name: check
    manager: independent
    trigger: {gerrit: [{event: comment-added, comment: '(?!x)recheck'}]}
projects: []
`);
    expect(brief(problems)).toEqual(['5:47 error bad-pattern pipelines[0].trigger.gerrit[0].comment']);
  });
});

describe('the two dialects', () => {
  const modern = `
pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger: {gerrit: [{event: patchset-created}]}
    supercedes: [check]
    fail-fast: true
    trust: {username: ^jane$, approval: {Workflow: 1}}
jobs:
  - name: a
    irrelevant-files: ^doc/
    semaphore: {name: array, count: 2}
projects:
  - {name: org/p, merge-mode: merge-resolve, check: [a]}
`;

  it('differ in what later Zuuls and third parties need', () => {
    const layout = mustRead(modern);
    expect(layout.pipelines[0]).toMatchObject({
      failFast: true,
      supercedes: ['check'],
      trust: { usernames: ['^jane$'], emails: [], approvals: [{ labels: { workflow: [1] } }] },
    });
    expect(layout.jobs['a']).toMatchObject({
      irrelevantFiles: ['^doc/'],
      semaphore: { name: 'array', count: 2 },
    });
    expect(layout.projects['org/p']?.mergeMode).toBe('merge-resolve');
    const strict = read(modern, { dialect: 'zuul-2.6' }).problems;
    expect(strict.map((problem) => problem.path)).toEqual([
      'pipelines[0].supercedes',
      'pipelines[0].fail-fast',
      'pipelines[0].trust',
      'jobs[0].irrelevant-files',
      'jobs[0].semaphore',
      'projects[0].merge-mode',
    ]);
  });

  it('agree on parameters of templates but for those in the names of parents', () => {
    const text = `${CHECK}
project-templates:
  - name: t
    check: [{'{prefix}-test': ['{name}-leaf']}]
projects: [{name: org/p, template: [{name: t, prefix: z}]}]
`;
    expect(mustRead(text).projects['org/p']?.pipelines['check']).toEqual([
      { job: 'z-test', children: [{ job: 'p-leaf', children: [] }] },
    ]);
    expect(read(text, { dialect: 'zuul-2.6' }).problems[0]).toMatchObject({
      code: 'unknown-parameter',
      path: 'projects[0].template.prefix',
    });
  });

  it('keep noop from joining queues, unless the quirk is on', () => {
    const text = `
pipelines: [{name: gate, manager: dependent, trigger: {gerrit: [{event: patchset-created}]}}]
projects:
  - {name: a, gate: [noop]}
  - {name: b, gate: [noop]}
`;
    expect(mustRead(text).pipelines[0]?.queues.map((queue) => queue.name)).toEqual(['a', 'b']);
    const joined = mustRead(text, { quirks: ['noop-joins-queues'] });
    expect(joined.pipelines[0]?.queues.map((queue) => queue.name)).toEqual(['a, b']);
  });
});

describe('several files', () => {
  it('leave Python to Zuul, and say so', () => {
    const { problems } = read(`${CHECK}\nincludes: [{python-file: functions.py}]\nprojects: []\n`);
    expect(problems).toMatchObject([{ severity: 'warning', code: 'python-include', at: { line: 7 } }]);
  });

  it('are one layout', () => {
    const { layout, problems } = read(`${CHECK}\nincludes: [{file: more.yaml}]\nprojects: []\n`, {
      include: (path) => (path === 'more.yaml' ? 'projects: [{name: org/p, check: [a]}]\n' : undefined),
    });
    expect(problems).toEqual([]);
    expect(layout?.projects['org/p']?.place).toBe('more.yaml:1:12');
  });

  it('must be there', () => {
    const { problems } = read(`${CHECK}\nincludes: [{file: more.yaml}]\nprojects: []\n`);
    expect(brief(problems)).toEqual(['7:13 error file-missing includes[0].file']);
  });
});

describe('jobs', () => {
  it('keep the place of the metajob that said a filter', () => {
    const { jobs } = mustRead(`${CHECK}
jobs:
  - name: ^gate-.*$
    branch: ^master$
    tags: one
  - name: gate-a
    tags: [two]
projects: [{name: org/p, check: [gate-a, gate-b, other]}]
`);
    expect(jobs['gate-a']).toMatchObject({
      place: 'layout.yaml:11:5',
      places: { branches: 'layout.yaml:8:5' },
      tags: ['one', 'two'],
    });
    expect(jobs['gate-b']).toMatchObject({ place: 'layout.yaml:8:5', branches: ['^master$'] });
    expect(jobs['other']?.place).toBe('layout.yaml:13:50');
  });

  it('may have the names of what every object has', () => {
    const layout = mustRead(`${CHECK}\nprojects: [{name: constructor, check: [toString, valueOf]}]\n`);
    expect(Object.keys(layout.jobs)).toEqual(['toString', 'valueOf']);
    expect(Object.keys(layout.projects)).toEqual(['constructor']);
  });

  it('share one parameter function list with the site', () => {
    const text = `${CHECK}\njobs: [{name: a, parameter-function: set_node}]\nprojects: []\n`;
    expect(mustRead(text, { functions: ['set_node'] }).jobs['a']?.parameterFunction).toBe('set_node');
    expect(read(text, { functions: 'any' }).problems[0]?.code).toBe('unknown-function');
    expect(read(text, { functions: ['set_nodes'] }).problems[0]).toMatchObject({
      message: 'The job a asks for the parameter function "set_node", which is not declared.',
      hint: 'Did you mean "set_nodes"?',
    });
  });
});

const GOOD = `${CHECK}
jobs:
  - name: ^gate-.*$
    voting: false
    skip-if: [{project: x, all-files-match-any: [a, b]}]
project-templates:
  - name: t
    check: [{'{name}-a': ['{v}']}, '{v}-b']
projects:
  - {name: org/p, template: [{name: t, v: z}], check: [gate-x, {y: [z, {w: [v]}]}]}
`;

describe('any text at all', () => {
  it('is answered, never thrown at', () => {
    const keys =
      'pipelines jobs projects project-templates includes name trigger gerrit event check approval';
    const more =
      'require template skip-if swift queue-name true null constructor __proto__ {name} ^( &a *a << !!merge !x';
    const signs = [
      ' ',
      '\n',
      '\n  ',
      '\n    ',
      '[',
      ']',
      '{',
      '}',
      '}}',
      ':',
      ',',
      '-',
      '? ',
      '"',
      "'",
      '|',
      '>',
      '%',
      '\t',
    ];
    const odd = ['@', '#', '\u0000', '😀', '1', '-1', "''"];
    const word = fc.constantFrom(...keys.split(' '), ...more.split(' '), ...signs, ...odd);
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 40 }),
        fc.constantFrom('zuul-2.6', 'stackgate'),
        (words, dialect) => {
          expect(read(words.join(' '), { dialect }).problems).toBeDefined();
        },
      ),
      { numRuns: 500 },
    );
  });

  it('of a layout with slips is answered with places inside it', () => {
    const lines = GOOD.split('\n').length;
    const slip = fc.record({
      at: fc.nat(GOOD.length),
      cut: fc.nat(8),
      put: fc.constantFrom(
        '',
        ':',
        '-',
        '{',
        '}',
        '[',
        ']',
        '\n',
        ' ',
        'x',
        '*',
        '&',
        '"',
        '{a}',
        '^(',
        'null',
        '1',
      ),
    });
    fc.assert(
      fc.property(fc.array(slip, { minLength: 1, maxLength: 4 }), (slips) => {
        let text = GOOD;
        for (const { at, cut, put } of slips) text = text.slice(0, at) + put + text.slice(at + cut);
        const { layout, problems } = read(text);
        expect(layout === undefined).toBe(problems.some((problem) => problem.severity === 'error'));
        for (const problem of problems) expect(problem.at?.line ?? 1).toBeLessThanOrEqual(lines + 8);
        renderProblems(problems, [{ name: 'layout.yaml', text }]);
      }),
      { numRuns: 500 },
    );
  });

  it('of a bomb is refused soon', () => {
    const levels = Array.from({ length: 12 }, (_, i) => `x${i}: &l${i} [${`*l${i - 1},`.repeat(9)}]`);
    levels[0] = 'x0: &l0 [a]';
    const started = performance.now();
    expect(read(levels.join('\n')).layout).toBeUndefined();
    const templates = Array.from({ length: 200 }, () => '{name: t}').join(', ');
    const jobs = Array.from({ length: 2_000 }, (_, i) => `j${i}`).join(', ');
    const wide = Array.from({ length: 50 }, (_, i) => `  - {name: p${i}, template: [${templates}]}`).join(
      '\n',
    );
    const { problems } = read(
      `${CHECK}\nproject-templates: [{name: t, check: [${jobs}]}]\nprojects:\n${wide}\n`,
    );
    expect(problems.map((problem) => problem.code)).toContain('too-large');
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
