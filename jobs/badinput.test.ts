import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readJobs } from './resolve.ts';

/**
 * What nobody means and somebody may send: refused with a sentence, before memory or time is gone. Each text is read in a
 * process of its own whose heap is small.
 */

const HEAP_MB = 160;
const root = new URL('../', import.meta.url).pathname;
const code = `
  import { readJobs } from './jobs/resolve.ts';
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const { texts, compat } = JSON.parse(Buffer.concat(chunks).toString());
  const sources = texts.map((text, index) => ({ name: 'j' + index + '.yaml', text }));
  const read = (path) => sources.find(({ name }) => name === path)?.text;
  const { problems } = readJobs(sources, { read, unsupported: 'error', settings: { compat } });
  console.log(JSON.stringify(problems.map(({ code }) => code)));
`;

/** Codes of the problems; rejects when memory or a minute did not suffice. */
function readSmall(texts: readonly string[], compat: 2 | 6 = 2): Promise<readonly string[]> {
  const args = [`--max-old-space-size=${HEAP_MB}`, '--import', 'tsx', '--input-type=module', '--eval', code];
  return new Promise((done, fail) => {
    const child = execFile(
      process.execPath,
      args,
      { cwd: root, timeout: 80_000 },
      (error, stdout, stderr) => {
        if (error === null) done(z.array(z.string()).parse(JSON.parse(stdout)));
        else fail(new Error(`it ended with ${error.code ?? error.signal}: ${stderr.slice(0, 500)}`));
      },
    );
    child.stdin?.end(JSON.stringify({ texts, compat }));
  });
}

const bomb = (levels: number) =>
  Array.from({ length: levels }, (_, i) => {
    const inner = i === 0 ? 'x' : Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ');
    return `  a${i}: &a${i} [${inner}]`;
  }).join('\n');
const axes = (count: number, size: number) =>
  Array.from(
    { length: count },
    (_, i) => `    a${i}: [${Array.from({ length: size }, (_, v) => v).join(', ')}]`,
  ).join('\n');
const name = (count: number) => `x${Array.from({ length: count }, (_, i) => `-{a${i}}`).join('')}`;

describe('bad input', { timeout: 90_000 }, () => {
  it('an alias bomb', async () => {
    expect(await readSmall([`- job:\n${bomb(12).replaceAll(/^/gm, '  ')}\n    name: x\n`])).toContain(
      'yaml-too-large',
    );
  });

  it.each([2, 6] as const)('a template that would make a million jobs (compat %i)', async (compat) => {
    const text = `- job-template:\n    name: '${name(6)}'\n- project:\n    name: p\n${axes(6, 10)}\n    jobs: ['${name(6)}']\n`;
    expect(await readSmall([text], compat)).toEqual(['too-many-jobs']);
  });

  it.each([2, 6] as const)(
    'macros that call each other, in circles and ever wider (compat %i)',
    async (compat) => {
      const circle =
        '- builder: {name: a, builders: [b]}\n- builder: {name: b, builders: [a]}\n- job: {name: j, builders: [a]}\n';
      expect(await readSmall([circle], compat)).toContain('macro-cycle');
      const wide = Array.from(
        { length: 30 },
        (_, i) => `- builder: {name: m${i}, builders: [m${i + 1}, m${i + 1}]}\n`,
      ).join('');
      expect(await readSmall([`${wide}- job: {name: j, builders: [m0]}\n`], compat)).toContain(
        'too-many-steps',
      );
    },
  );

  it('parameters that grow by each other', async () => {
    const grow = Array.from({ length: 40 }, (_, i) => `    p${i}: '{p${i + 1}}{p${i + 1}}'`).join('\n');
    const text = `- job-template:\n    name: '{name}'\n    description: '{p0}'\n- project:\n    name: p\n${grow}\n    p40: xxxxxxxxxx\n    jobs: ['{name}']\n`;
    expect(await readSmall([text], 6)).toContain('too-large');
  });

  it('deep nesting and files that include each other', async () => {
    expect(
      await readSmall([`- job: {name: x, builders: ${'['.repeat(5000)}${']'.repeat(5000)}}\n`]),
    ).toContain('yaml-too-deep');
    for (const compat of [2, 6] as const) {
      const codes = await readSmall(
        ['- job: {name: x, builders: !include: j1.yaml}\n', '- [!include: j1.yaml, !include: j1.yaml]\n'],
        compat,
      );
      expect(codes).toContain(compat === 2 ? 'include-cycle' : 'format');
    }
  });

  it('is told all at once, over all files, with the way that led there', () => {
    const one =
      "- builder: {name: inner, builders: [{shel: '{what}'}]}\n- builder: {name: outer, builders: [{inner: {what: '{who}'}}]}\n";
    const two =
      "- job-template:\n    name: '{name}-t'\n    builders: [{outer: {who: me}}]\n- project: {name: p, jobs: ['{name}-t', nowhere]}\n";
    const sources = [one, two].map((text, index) => ({ name: `f${index}.yaml`, text }));
    const { problems } = readJobs(sources, { read: () => undefined, unsupported: 'error' });
    expect(problems.map(({ code, at }) => `${code} ${at?.file}:${at?.line}`)).toEqual([
      'unknown-job f1.yaml:4',
      'unsupported-builder f0.yaml:1',
    ]);
    expect(problems[1]?.via?.map(({ what }) => what)).toEqual([
      'builder macro inner',
      'call of inner',
      'builder macro outer',
      'call of outer',
      'job-template {name}-t',
      'its entry {name}-t',
      'project p',
    ]);
    expect(problems[1]?.hint).toBe('Did you mean "shell"?');
  });
});
