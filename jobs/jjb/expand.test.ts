// oxlint-disable typescript/no-unsafe-type-assertion -- tests look into untyped values
import { describe, expect, it } from 'vitest';
import { isError, renderProblems } from '../problem.ts';
import { readJobs } from '../resolve.ts';
import type { JjbSettings } from './load.ts';

interface World {
  readonly files?: Record<string, string>;
  readonly settings?: JjbSettings;
}

function read(texts: string | Record<string, string>, { files = {}, settings = {} }: World = {}) {
  const named = typeof texts === 'string' ? { 'jobs/a.yaml': texts } : texts;
  const sources = Object.entries(named).map(([name, text]) => ({ name, text }));
  return readJobs(sources, { read: (path) => files[path], unsupported: 'error', settings });
}

/** The jobs' names, or the codes of the errors. */
function outcome(texts: string | Record<string, string>, world?: World): string[] {
  const { raw, problems } = read(texts, world);
  const errors = problems.filter(isError);
  return errors.length > 0 ? errors.map(({ code, at }) => `${code} ${at?.line}`) : Object.keys(raw);
}

function shells(texts: string, world?: World): unknown {
  const { raw, problems } = read(texts, world);
  expect(renderProblems(problems.filter(isError))).toBe('');
  return Object.values(raw).flatMap((job) =>
    (job as { builders: { shell: unknown }[] }).builders.map((step) => step.shell),
  );
}

describe('axes', () => {
  it('are lists of the project that stand in the name; the last one turns fastest', () => {
    const text = `
- project: {name: p, a: [1, 2], b: [x, y: {c: C}], l: [q], jobs: ['{name}-{a}-{b}']}
- job-template: {name: '{name}-{a}-{b}', c: c, builders: [{shell: '{l} {c}'}]}
`;
    expect(outcome(text)).toEqual(['p-1-x', 'p-1-y', 'p-2-x', 'p-2-y']);
    expect(shells(text)).toEqual(["['q'] c", "['q'] C", "['q'] c", "['q'] C"]);
  });

  it('are not the lists of defaults, nor tuples', () => {
    const { raw } = read(`
- defaults: {name: global, a: [1, 2]}
- project: {name: p, b: !!python/tuple [x, y], jobs: ['{name}-{a}-{b}']}
- job-template: {name: '{name}-{a}-{b}'}
`);
    expect(Object.keys(raw)).toEqual(["p-[1, 2]-('x', 'y')"]);
  });

  it('leave out excluded combinations; an empty one makes no job', () => {
    const text = (axis: string) => `
- project: {name: p, a: ${axis}, b: [x, y], exclude: [{a: 1, b: x}, {b: y, a: 2, c: 9}], jobs: ['{a}{b}']}
- job-template: {name: '{a}{b}'}
`;
    expect(outcome(text('[1, 2]'))).toEqual(['1y', '2x']);
    expect(outcome(text('[]'))).toEqual([]);
  });

  it('must have parameters below a value that is a mapping', () => {
    expect(
      outcome(`
- project:
    name: p
    a:
      - x:
        c: C
    jobs: ['{a}']
- job-template: {name: '{a}'}
`),
    ).toEqual(['axis-value 5']);
  });

  it('may not make more text than memory holds', () => {
    const axis = JSON.stringify(Array.from({ length: 200 }, (_, i) => i));
    const { problems } = read(`
- project: {name: p, a: ${axis}, x: ${'x'.repeat(20_000)}, jobs: ['{a}']}
- job-template: {name: '{a}', builders: [{shell: '${'{x} '.repeat(100)}'}]}
`);
    expect(problems).toMatchObject([{ code: 'too-large', at: { line: 3 } }]);
  });

  it('may not make more jobs than memory holds', () => {
    const axis = JSON.stringify(Array.from({ length: 100 }, (_, i) => i));
    expect(
      outcome(`
- project: {name: p, a: ${axis}, b: ${axis}, c: ${axis}, jobs: ['{a}-{b}-{c}']}
- job-template: {name: '{a}-{b}-{c}'}
`),
    ).toEqual(['too-many-jobs 3']);
  });
});

describe('parameters', () => {
  it('come from the nearest place', () => {
    const text = (
      group: string,
      member: string,
      entry: string,
      project: string,
      template: string,
      defaults: string,
    ) => `
- defaults: {name: global, x: D${defaults}}
- job-template: {name: t, builders: [{shell: '{x}'}]${template}}
- job-group: {name: g, jobs: [{t: {z: 1${member}}}]${group}}
- project: {name: p, jobs: [{g: {z: 1${entry}}}]${project}}
`;
    const [group, member, entry, project, template] = [', x: G', ', x: M', ', x: E', ', x: P', ', x: T'];
    expect(shells(text(group, member, entry, project, template, ''))).toEqual(['M']);
    expect(shells(text(group, '', entry, project, template, ''))).toEqual(['G']);
    expect(shells(text('', '', entry, project, template, ''))).toEqual(['E']);
    expect(shells(text('', '', '', project, template, ''))).toEqual(['P']);
    expect(shells(text('', '', '', '', template, ''))).toEqual(['T']);
    expect(shells(text('', '', '', '', '', ''))).toEqual(['D']);
  });

  it('are formatted once with each other', () => {
    expect(
      shells(`
- project: {name: p, a: '{b}', b: '{c}', c: C, jobs: [t]}
- job-template: {name: t, d: '{a}', builders: [{shell: '{a} {b} {d} {template-name}'}]}
`),
    ).toEqual(['{c} C {a} t']);
  });

  it('that are missing are told where they are needed', () => {
    const { problems } = read(`
- project: {name: p, brnach: x, jobs: [t]}
- job-template:
    name: t
    builders:
      - shell: |
          git checkout {branch}
`);
    expect(problems).toMatchObject([
      { code: 'missing-parameter', at: { line: 6, column: 9 }, hint: 'Did you mean {brnach}?' },
    ]);
    expect(problems[0]?.via?.map((step) => step.what)).toEqual([
      'job-template t',
      'its entry t',
      'project p',
    ]);
    const shell = read(
      "- project: {name: p, jobs: [t]}\n- job-template: {name: t, builders: [{shell: 'awk {print}'}]}",
    );
    expect(shell.problems[0]?.hint).toContain('{{print}}');
  });
});

describe('names', () => {
  it('are unique, known and not given twice', () => {
    const t = '- job-template: {name: t}\n';
    expect(outcome(`${t}- project: {name: p, jobs: [t, t]}`)).toEqual(['duplicate-job 1']);
    expect(outcome(`${t}- job: {name: t}\n- project: {name: p, jobs: [t, t]}`)).toEqual(['duplicate-job 3']);
    expect(outcome(`${t}${t}`)).toEqual(['duplicate-definition 2']);
    expect(outcome(`${t}- project: {name: p, jobs: [T1]}`)).toEqual(['unknown-job 2']);
    expect(outcome(`${t}- project: {name: p, jobs: [t], defaults: d}`)).toEqual(['unknown-defaults 2']);
    expect(outcome(`- job: {name: a}\n- job: {name: a}`, { settings: { allowDuplicates: true } })).toEqual([
      'a',
    ]);
  });

  it('are reported when a group names nobody', () => {
    const { problems } = read('- job-group: {name: g, jobs: [tt]}\n- project: {name: p, jobs: [g]}');
    expect(problems).toMatchObject([{ severity: 'warning', code: 'unknown-job', at: { line: 1 } }]);
  });
});

describe('macros', () => {
  it('keep their braces when they are called without parameters', () => {
    expect(
      shells(`
- builder: {name: m, builders: [{shell: 'x {{a}}'}]}
- job: {name: j, builders: [m, m: {a: 1}]}
`),
    ).toEqual(['x {{a}}', 'x {a}']);
  });

  it('call macros, but not themselves', () => {
    expect(
      shells(`
- builder: {name: in, builders: [{shell: '{x}!'}]}
- builder: {name: out, builders: [{in: {x: '{y}'}}, {shell: '{y}'}]}
- job: {name: j, builders: [{out: {y: 1}}]}
`),
    ).toEqual(['1!', 1]);
    expect(
      outcome(`
- builder: {name: a, builders: [b]}
- builder: {name: b, builders: [a]}
- job: {name: j, builders: [a]}
`),
    ).toEqual(['macro-cycle 3']);
    const doubling = Array.from(
      { length: 30 },
      (_, i) => `- builder: {name: m${i + 1}, builders: [m${i}, m${i}]}`,
    );
    expect(
      outcome(
        `- builder: {name: m0, builders: [{shell: x}]}\n${doubling.join('\n')}\n- job: {name: j, builders: [m30]}`,
      ),
    ).toEqual(['too-many-steps 32']);
  });
});

describe('files', () => {
  it('are read together', () => {
    expect(
      outcome({
        'a.yaml': '- project: {name: p, jobs: [t]}',
        'b.yaml': '- job-template: {name: t}',
      }),
    ).toEqual(['t']);
    const anchors = { 'a.yaml': '- x: &d {node: n}', 'b.yaml': '- job: {name: j, <<: *d}' };
    expect(outcome(anchors)).toEqual(['yaml-alias 1']);
    expect(outcome(anchors, { settings: { retainAnchors: true } })).toEqual(['j']);
  });

  it('include others, at once or when the parameters are known', () => {
    const files = {
      'jobs/plain.sh': 'echo {v} ${{HOME}}',
      'lib/v1.sh': 'echo {v} ${HOME}',
      'jobs/steps.yaml': '[{shell: s}]',
    };
    const world = { files, settings: { includePath: ['lib'] } };
    const job = (step: string) =>
      `- project: {name: p, v: v1, jobs: [t]}\n- job-template:\n    name: t\n    builders: ${step}`;
    expect(shells(job('[{shell: !include-raw: plain.sh}]'), world)).toEqual(['echo v1 ${HOME}']);
    expect(shells(job('[{shell: !include-raw-escape: plain.sh}]'), world)).toEqual(['echo {v} ${{HOME}}']);
    expect(shells(job("[{shell: !include-raw: '{v}.sh'}]"), world)).toEqual(['echo {v} ${HOME}']);
    expect(shells(job("[{shell: !include-raw: ['{v}.sh', ./plain.sh]}]"), world)).toEqual([
      'echo {v} ${HOME}\necho v1 ${HOME}',
    ]);
    expect(shells(job('!include: steps.yaml'), world)).toEqual(['s']);
    expect(shells(job("[{shell: !join: [', ', [1.10, yes, '{v}']]}]"), world)).toEqual(['1.10, yes, v1']);
    expect(shells(job('[{shell: !j2-yaml: "{{ v }}-{v}"}]'), world)).toEqual(['v1-v1']);
  });

  it('say where an include was looked for, and do not go in circles', () => {
    const files = { 'jobs/loop.yaml': '!include: loop.yaml' };
    const missing = read('- job: {name: j, builders: [shell: !include-raw: no.sh]}', { files });
    expect(missing.problems[0]).toMatchObject({ code: 'include-missing', hint: 'Looked in: jobs, ..' });
    expect(outcome('- job: {name: j, builders: !include: loop.yaml}', { files })).toContain(
      'include-cycle 1',
    );
  });

  it.each([
    ['a: 1', 'jjb-shape 1'],
    ['- job', 'jjb-shape 1'],
    ['- job: {}', 'jjb-name 1'],
    ['- job: x', 'jjb-shape 1'],
    ['- job:\n  name: x', 'jjb-indent 1'],
    ['- project: {name: p, jobs: x}', 'jjb-shape 1'],
    ['- builder: {name: m}\n- job: {name: j, builders: [m]}', 'macro-shape 1'],
  ])('%j is refused', (text, expected) => {
    expect(outcome(text)).toEqual([expected]);
  });
});
