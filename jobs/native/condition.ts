import { z } from 'zod';
import { type Comparator, type Condition, Status } from '../definition/condition.ts';
import { compact, Patterns, type Written, writePatterns } from './words.ts';

/** `when:` of a step. */

const SIGNS = {
  '<': 'lt',
  '>': 'gt',
  '==': 'eq',
  '!=': 'ne',
  '<=': 'le',
  '>=': 'ge',
} as const satisfies Readonly<Record<string, Comparator>>;
const Sign = z.enum(['<', '>', '==', '!=', '<=', '>=']);
const Clock = z.string().regex(/^([01]\d|2[0-3])[0-5]\d$/, 'expected a time such as "0730", in quotes');

export const When: z.ZodType<Condition> = z.lazy(() =>
  z.union([
    z.enum(['always', 'never']).transform((kind): Condition => ({ kind })),
    z
      .strictObject({ boolean: z.string().describe('True: 1, y, yes, t, true, on, run.') })
      .transform(({ boolean }): Condition => ({ kind: 'boolean', expression: boolean })),
    z
      .strictObject({ equal: z.tuple([z.string(), z.string()]), 'ignore-case': z.boolean().default(false) })
      .transform((given): Condition => {
        const [a, b] = given.equal;
        return { kind: 'strings', a, b, ignoreCase: given['ignore-case'] };
      }),
    z
      .strictObject({
        compare: z.tuple([z.string(), Sign, z.string()]).describe('Two numbers, `<` between them.'),
      })
      .transform(
        ({ compare: [a, sign, b] }): Condition => ({ kind: 'numbers', a, b, comparator: SIGNS[sign] }),
      ),
    z
      .strictObject({ matches: z.strictObject({ pattern: z.string(), text: z.string() }) })
      .transform(({ matches }): Condition => ({ kind: 'regex', ...matches })),
    z
      .strictObject({ shell: z.string().describe('A script; exit code 0 is true.') })
      .transform(({ shell }): Condition => ({ kind: 'shell', script: shell })),
    z.strictObject({ file: z.string() }).transform(({ file }): Condition => ({ kind: 'file', path: file })),
    z
      .strictObject({ files: Patterns, except: Patterns.optional() })
      .transform(
        ({ files, except }): Condition => ({ kind: 'files', include: files, exclude: except ?? [] }),
      ),
    z
      .strictObject({ days: z.array(z.int().min(1).max(7)).min(1).describe('1 is Monday, 7 Sunday.') })
      .transform(({ days }): Condition => ({ kind: 'days', days })),
    z
      .strictObject({ between: z.tuple([Clock, Clock]) })
      .transform(({ between: [earliest, latest] }): Condition => ({ kind: 'time', earliest, latest })),
    z
      .strictObject({ node: Patterns.describe('Names of nodes.') })
      .transform(({ node }): Condition => ({ kind: 'nodes', names: node })),
    z
      .strictObject({ status: z.strictObject({ worst: Status, best: Status.default('SUCCESS') }) })
      .transform(({ status }): Condition => ({ kind: 'status', ...status })),
    z.strictObject({ cause: z.string() }).transform(({ cause }): Condition => ({ kind: 'cause', cause })),
    z.strictObject({ not: When }).transform(({ not }): Condition => ({ kind: 'not', operand: not })),
    z
      .strictObject({ all: z.array(When).min(1) })
      .transform(({ all }): Condition => ({ kind: 'and', operands: all })),
    z
      .strictObject({ any: z.array(When).min(1) })
      .transform(({ any }): Condition => ({ kind: 'or', operands: any })),
  ]),
);

export function writeWhen(condition: Condition): Written {
  switch (condition.kind) {
    case 'always':
    case 'never':
      return condition.kind;
    case 'boolean':
      return { boolean: condition.expression };
    case 'strings':
      return compact({ equal: [condition.a, condition.b], 'ignore-case': condition.ignoreCase || undefined });
    case 'numbers': {
      const sign = Object.entries(SIGNS).find(([, name]) => name === condition.comparator)?.[0];
      return { compare: [condition.a, sign, condition.b] };
    }
    case 'regex':
      return { matches: { pattern: condition.pattern, text: condition.text } };
    case 'shell':
      return { shell: condition.script };
    case 'file':
      return { file: condition.path };
    case 'files': {
      const except = condition.exclude.length === 0 ? undefined : writePatterns(condition.exclude);
      return compact({ files: writePatterns(condition.include), except });
    }
    case 'days':
      return { days: condition.days };
    case 'time':
      return { between: [condition.earliest, condition.latest] };
    case 'nodes':
      return { node: writePatterns(condition.names) };
    case 'status':
      return { status: { worst: condition.worst, best: condition.best } };
    case 'cause':
      return { cause: condition.cause };
    case 'not':
      return { not: writeWhen(condition.operand) };
    case 'and':
      return { all: condition.operands.map(writeWhen) };
    case 'or':
      break;
  }
  return { any: condition.operands.map(writeWhen) };
}
