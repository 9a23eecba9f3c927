import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Condition } from '../definition/condition.ts';
import { planSteps } from '../script.ts';
import { conditionScript, extended } from './condition.ts';
import { injectScript } from './generated.ts';

/** The scripts that stand for builders, run by bash as a node runs them. */

let folder = '';
const all: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stackgate-script-'));
  all.push(folder);
});
afterAll(() => {
  for (const each of all) rmSync(each, { recursive: true, force: true });
});

function bash(script: string, env: Record<string, string> = {}): { code: number; out: string } {
  const file = join(folder, '.step');
  writeFileSync(file, script);
  try {
    const out = execFileSync('bash', [file], {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '', STACKGATE_INJECT: join(folder, '.inject'), ...env },
    });
    return { code: 0, out };
  } catch (caught) {
    return ended(caught);
  }
}

function put(...paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
}

const env = {
  NAME: 'Wert',
  N: '10',
  ODD: '$(touch pwned) `touch pwned` \'"; exit 0',
  ZUUL_BRANCH: 'stable/x',
  NODE_NAME: 'n1',
};

function decide(condition: Condition, more: Record<string, string> = {}): number {
  const script = conditionScript({ kind: 'conditional', condition, undecided: 'fail', steps: [] });
  return bash(script, { ...env, ...more }).code;
}

describe('conditions', () => {
  it.each<[Condition, boolean]>([
    [{ kind: 'always' }, true],
    [{ kind: 'never' }, false],
    [{ kind: 'boolean', expression: 'Yes' }, true],
    [{ kind: 'boolean', expression: '${FLAG}' }, false],
    [{ kind: 'strings', a: '${NAME}', b: 'Wert', ignoreCase: false }, true],
    [{ kind: 'strings', a: '$NAME', b: 'wert', ignoreCase: false }, false],
    [{ kind: 'strings', a: '$NAME', b: 'wert', ignoreCase: true }, true],
    [{ kind: 'strings', a: '$NONE', b: '$NONE', ignoreCase: false }, true],
    [{ kind: 'strings', a: '$$NAME', b: '$NAME', ignoreCase: false }, false],
    [{ kind: 'strings', a: '$ODD', b: env.ODD, ignoreCase: false }, true],
    [{ kind: 'strings', a: '*', b: 'anything', ignoreCase: false }, false],
    [{ kind: 'numbers', a: '$N', b: '9.5', comparator: 'gt' }, true],
    [{ kind: 'numbers', a: '10', b: '10.0', comparator: 'eq' }, true],
    [{ kind: 'numbers', a: '-1', b: '1', comparator: 'ge' }, false],
    [{ kind: 'regex', pattern: 'stable/\\w+', text: '${ZUUL_BRANCH}' }, true],
    [{ kind: 'regex', pattern: 'stable', text: '${ZUUL_BRANCH}' }, false],
    [{ kind: 'regex', pattern: 'a|stable/x', text: '${ZUUL_BRANCH}' }, true],
    [{ kind: 'shell', script: '#!/bin/sh\ntest "$NAME" = Wert' }, true],
    [{ kind: 'shell', script: 'false\ntrue' }, false],
    [{ kind: 'file', path: 'sub/$NAME' }, true],
    [{ kind: 'file', path: 'sub/none' }, false],
    [{ kind: 'files', include: ['**/*.xml'], exclude: [] }, true],
    [{ kind: 'files', include: ['**/*.xml'], exclude: ['deep/**'] }, false],
    [{ kind: 'files', include: ['*.xml'], exclude: [] }, false],
    [{ kind: 'files', include: ['with space [1].txt'], exclude: [] }, true],
    [{ kind: 'days', days: [1, 2, 3, 4, 5, 6, 7] }, true],
    [{ kind: 'days', days: [] }, false],
    [{ kind: 'time', earliest: '0000', latest: '2359' }, true],
    [{ kind: 'nodes', names: ['n0', 'n1'] }, true],
    [{ kind: 'status', worst: 'SUCCESS', best: 'SUCCESS' }, true],
    [{ kind: 'status', worst: 'FAILURE', best: 'UNSTABLE' }, false],
    [{ kind: 'cause', cause: 'TIMERTRIGGER' }, false],
    [{ kind: 'not', operand: { kind: 'never' } }, true],
    [{ kind: 'and', operands: [{ kind: 'always' }, { kind: 'never' }] }, false],
    [{ kind: 'or', operands: [{ kind: 'never' }, { kind: 'not', operand: { kind: 'never' } }] }, true],
  ])('%j is %s', (condition, met) => {
    put('sub/Wert', 'deep/er/a.xml', 'with space [1].txt');
    expect(decide(condition)).toBe(met ? 0 : 1);
  });

  it('says what it cannot tell, and goes on as it is told to', () => {
    const condition: Condition = { kind: 'numbers', a: '$NAME', b: '1', comparator: 'lt' };
    const end = (undecided: 'fail' | 'run' | 'skip') =>
      bash(conditionScript({ kind: 'conditional', condition, undecided, steps: [] }), env);
    expect(end('fail')).toEqual({
      code: 2,
      out: 'The condition cannot be told: Wert and 1 are not both numbers\n',
    });
    expect(end('run').code).toBe(0);
    expect(end('skip').code).toBe(1);
  });

  it('never runs what variables hold', () => {
    const word = fc.string({
      unit: fc.constantFrom('$', '(', ')', '`', "'", '"', ';', '{', '}', '\\', ' ', '\n', 'a'),
    });
    fc.assert(
      fc.property(word, word, (value, text) => {
        const same: Condition = {
          kind: 'strings',
          a: `$VALUE${text}`,
          b: `\${VALUE}${text}`,
          ignoreCase: false,
        };
        // `$VALUE` followed by a letter is another variable.
        if (!text.startsWith('a')) expect(decide(same, { VALUE: value })).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});

it.each<[string, string | undefined]>([
  ['a.*\\d', '^(a.*[0-9])$'],
  ['(?:x)[^/]+', '^((x)[^/]+)$'],
  ['a\\.b', '^(a\\.b)$'],
  ['(?=x)', undefined],
  ['a*?', undefined],
  ['\\bx', undefined],
  ['[a&&[b]]', undefined],
])('Java %j is bash %j', (java, bashed) => expect(extended(java)).toBe(bashed));

describe('inject', () => {
  const injected = (file: string | undefined, content: string) => {
    const { code } = bash(injectScript(file, content), env);
    return { code, pairs: readFileSync(join(folder, '.inject'), 'utf8').split('\0').slice(0, -1) };
  };

  it('reads properties as EnvInject does', () => {
    const content = '# words\n A = b c  \nB: \\$x\nC=$A/${NAME}/$NONE\nD=one \\\n  two\nE\n! more\nF=\'q"';
    expect(injected(undefined, content)).toEqual({
      code: 0,
      pairs: ['A=b c', 'B=\\$x', 'C=b c/Wert/$NONE', 'D=one two', 'E=', 'F=\'q"'],
    });
  });

  it('takes the file first', () => {
    writeFileSync(join(folder, 'p.properties'), 'X=1\r\nY=file');
    expect(injected('p.properties', 'Y=$X')).toEqual({ code: 0, pairs: ['X=1', 'Y=file', 'Y=1'] });
    expect(bash(injectScript('none', '')).code).toBe(1);
  });
});

it('conditional steps become guards and the steps they guard', () => {
  const shell = (script: string) => ({ kind: 'shell', script }) as const;
  const inner = {
    kind: 'conditional',
    condition: { kind: 'never' },
    undecided: 'fail',
    steps: [shell('b')],
  } as const;
  const steps = planSteps([
    shell('first'),
    {
      kind: 'conditional',
      condition: { kind: 'always' },
      undecided: 'fail',
      steps: [shell('a'), inner, shell('c')],
    },
    {
      kind: 'copy',
      job: 'x',
      which: { kind: 'last-completed' },
      include: ['**'],
      exclude: [],
      target: '',
      flatten: false,
      optional: false,
    },
  ]);
  expect(steps.map(({ name, guards, waitsFor }) => [name, guards, waitsFor?.kind])).toEqual([
    ['1: first', undefined, undefined],
    ['2: when always', 4, undefined],
    ['2.1: a', undefined, undefined],
    ['2.2: when never', 1, undefined],
    ['2.2.1: b', undefined, undefined],
    ['2.3: c', undefined, undefined],
    ['3: artifacts of x', undefined, 'copy'],
  ]);
  // A step that waits is told by its number.
  expect(steps[6]?.script).toContain('$STACKGATE_GIVEN/6');
});

/** What execFileSync threw. */
function ended(caught: unknown): { code: number; out: string } {
  const { status, stdout } = z.object({ status: z.number(), stdout: z.string() }).parse(caught);
  return { code: status, out: stdout };
}
