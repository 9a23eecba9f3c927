import { z } from 'zod';

/**
 * When a conditional step runs, as the Run Condition plugin of Jenkins words it. Texts may hold `$NAME` and `${NAME}`, which
 * become the build's variables on the node; one that is not set stays as it is written.
 */
export type Condition =
  | { readonly kind: 'always' | 'never' }
  /** True: 1, y, yes, t, true, on, run, in any case. */
  | { readonly kind: 'boolean'; readonly expression: string }
  | { readonly kind: 'strings'; readonly a: string; readonly b: string; readonly ignoreCase: boolean }
  | { readonly kind: 'numbers'; readonly a: string; readonly b: string; readonly comparator: Comparator }
  /** Java's pattern, which must match all of the text. */
  | { readonly kind: 'regex'; readonly pattern: string; readonly text: string }
  /** A script; its exit code 0 is true. */
  | { readonly kind: 'shell'; readonly script: string }
  | { readonly kind: 'file'; readonly path: string }
  /** ANT patterns. */
  | { readonly kind: 'files'; readonly include: readonly string[]; readonly exclude: readonly string[] }
  /** 1 is Monday, 7 Sunday; the node's clock. */
  | { readonly kind: 'days'; readonly days: readonly number[] }
  /** `HHMM` to `HHMM`, the node's clock. */
  | { readonly kind: 'time'; readonly earliest: string; readonly latest: string }
  | { readonly kind: 'nodes'; readonly names: readonly string[] }
  /** The build so far is neither worse nor better. */
  | { readonly kind: 'status'; readonly worst: Status; readonly best: Status }
  | { readonly kind: 'cause'; readonly cause: string }
  | { readonly kind: 'not'; readonly operand: Condition }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Condition[] };

export const Comparator = z.enum(['lt', 'gt', 'eq', 'ne', 'le', 'ge']);
export type Comparator = z.infer<typeof Comparator>;

/** Best first. */
export const STATUSES = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED'] as const;
export const Status = z.enum(STATUSES);
export type Status = z.infer<typeof Status>;

export const Condition: z.ZodType<Condition> = z.lazy(() =>
  z.discriminatedUnion('kind', [
    z.object({ kind: z.enum(['always', 'never']) }),
    z.object({ kind: z.literal('boolean'), expression: z.string() }),
    z.object({ kind: z.literal('strings'), a: z.string(), b: z.string(), ignoreCase: z.boolean() }),
    z.object({ kind: z.literal('numbers'), a: z.string(), b: z.string(), comparator: Comparator }),
    z.object({ kind: z.literal('regex'), pattern: z.string(), text: z.string() }),
    z.object({ kind: z.literal('shell'), script: z.string() }),
    z.object({ kind: z.literal('file'), path: z.string() }),
    z.object({ kind: z.literal('files'), include: z.array(z.string()), exclude: z.array(z.string()) }),
    z.object({ kind: z.literal('days'), days: z.array(z.number()) }),
    z.object({ kind: z.literal('time'), earliest: z.string(), latest: z.string() }),
    z.object({ kind: z.literal('nodes'), names: z.array(z.string()) }),
    z.object({ kind: z.literal('status'), worst: Status, best: Status }),
    z.object({ kind: z.literal('cause'), cause: z.string() }),
    z.object({ kind: z.literal('not'), operand: Condition }),
    z.object({ kind: z.enum(['and', 'or']), operands: z.array(Condition) }),
  ]),
);
