import { z } from 'zod';
import type { Places } from '../places.ts';
import { didYouMean, type Place, type Problem } from '../problem.ts';

/** What a schema says of a value, as problems with places. */

export interface About {
  readonly root: unknown;
  readonly places: Places;
  /** Where to point when nothing else is known. */
  readonly start: Place;
  readonly schema: z.ZodType;
}

export function complaintsOf(issue: z.core.$ZodIssue, about: About): Problem[] {
  const { root, places, start } = about;
  // A union that says itself what it wants knows better than its branches.
  if (issue.code === 'invalid_union' && issue.message === 'Invalid input') {
    const best = bestBranch(issue.errors, valueAt(root, issue.path));
    if (best !== undefined)
      return withoutEcho(best).flatMap((inner) =>
        complaintsOf({ ...inner, path: [...issue.path, ...inner.path] }, about),
      );
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const holder = valueAt(root, issue.path);
      const known = keysAt(about.schema, issue.path);
      const near = didYouMean(key, known);
      return {
        severity: 'error',
        code: 'unknown-key',
        message: `unknown key \`${key}\`${issue.path.length === 0 ? '' : ` in ${issue.path.join('.')}`}`,
        at: places.of(holder, key) ?? start,
        hint: near === undefined ? `known: ${[...new Set(known)].join(', ')}` : `did you mean \`${near}\`?`,
      };
    });
  }
  const name = issue.path.join('.') || 'the file';
  return [
    {
      severity: 'error',
      code: 'native-job',
      message: `${name}: ${issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message}`,
      at: placeOf(root, issue.path, places) ?? start,
    },
  ];
}

/** The key that was meant is not missing, too. */
function withoutEcho(issues: readonly z.core.$ZodIssue[]): readonly z.core.$ZodIssue[] {
  const slip = issues.some(({ code, path }) => code === 'unrecognized_keys' && path.length === 0);
  if (!slip) return issues;
  return issues.filter(
    ({ code, path, message }) =>
      !(code === 'invalid_type' && path.length === 1 && message.endsWith('received undefined')),
  );
}

/** Of the shapes a value could have had: the one whose keys it has, then the one with the fewest complaints. */
function bestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
  value: unknown,
): readonly z.core.$ZodIssue[] | undefined {
  const wrongKind = (issues: readonly z.core.$ZodIssue[]) =>
    issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0) ||
    issues.some(({ code, path }) => code === 'invalid_value' && path.length === 0);
  const unknown = (issues: readonly z.core.$ZodIssue[]) =>
    issues.reduce(
      (sum, each) =>
        sum + (each.code === 'unrecognized_keys' && each.path.length === 0 ? each.keys.length : 0),
      0,
    );
  const candidates = branches.filter((issues) => typeof value !== 'object' || !wrongKind(issues));
  return (candidates.length > 0 ? candidates : branches).toSorted(
    (a, b) => unknown(a) - unknown(b) || a.length - b.length,
  )[0];
}

const Node = z.object({
  $ref: z.string().optional(),
  get properties() {
    return z.record(z.string(), Node).optional();
  },
  get additionalProperties() {
    return z.union([Node, z.boolean()]).optional();
  },
  get items() {
    return z.union([Node, z.boolean()]).optional();
  },
  get anyOf() {
    return z.array(Node).optional();
  },
  get $defs() {
    return z.record(z.string(), Node).optional();
  },
});
type Node = z.infer<typeof Node>;

/** Keys the schema knows at a path. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const root = Node.parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
  const branches = (node: Node, depth = 0): Node[] => {
    const name = node.$ref?.replace(/^#\/\$defs\//, '');
    const target = name === undefined ? undefined : root.$defs?.[name];
    if (target !== undefined && depth < 5) return branches(target, depth + 1);
    return node.anyOf === undefined ? [node] : node.anyOf.flatMap((each) => branches(each, depth + 1));
  };
  let nodes = branches(root);
  for (const key of path) {
    nodes = nodes.flatMap(({ properties, additionalProperties, items }) => {
      const child = typeof key === 'number' ? items : (properties?.[String(key)] ?? additionalProperties);
      return typeof child === 'object' ? branches(child) : [];
    });
  }
  return nodes.flatMap(({ properties }) => Object.keys(properties ?? {}));
}

function placeOf(root: unknown, path: readonly PropertyKey[], places: Places): Place | undefined {
  for (let length = path.length; length > 0; length--) {
    const key = path[length - 1];
    const holder = valueAt(root, path.slice(0, length - 1));
    if (typeof key === 'symbol' || key === undefined) continue;
    const place = places.of(holder, key);
    if (place !== undefined) return place;
  }
  return places.of(root);
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path)
    value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return value;
}
