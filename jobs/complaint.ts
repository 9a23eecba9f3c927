import type { z } from 'zod';
import type { Places } from './places.ts';
import { didYouMean, type Place, type Problem } from './problem.ts';

/** What a schema says of a file that a person wrote, as problems with their places. */

export interface About {
  /** The whole file, as YAML gave it. */
  readonly root: unknown;
  readonly places: Places;
  /** Where to point when nothing else is known. */
  readonly start: Place;
  /** Code of what is no unknown key. */
  readonly code: string;
  /** Keys that a mapping at a path may have. */
  readonly keysAt: (path: readonly PropertyKey[], holder: unknown) => readonly string[];
}

/** Longer lists of keys help nobody. */
const MOST_KEYS = 16;

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
  const path = pathText(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const holder = valueAt(root, issue.path);
    const known = about.keysAt(issue.path, holder);
    return issue.keys.map((key) => ({
      severity: 'error',
      code: 'unknown-key',
      message: `unknown key \`${key}\`${path === '' ? '' : ` in ${path}`}`,
      at: places.of(holder, key) ?? start,
      hint: meant(key, [...new Set(known)]),
      path,
    }));
  }
  const said = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  const message = `${path === '' ? 'the file' : path}: ${said}`;
  return [{ severity: 'error', code: about.code, message, at: placeAt(issue.path, about) ?? start, path }];
}

function meant(key: string, known: readonly string[]): string | undefined {
  const near = didYouMean(key, known);
  if (near !== undefined) return `did you mean \`${near}\`?`;
  return known.length === 0 || known.length > MOST_KEYS ? undefined : `known: ${known.join(', ')}`;
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

/**
 * Of the shapes a value could have had: those whose `driver` it names, of these the one whose keys it has, then the one with the
 * fewest complaints.
 */
function bestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
  value: unknown,
): readonly z.core.$ZodIssue[] | undefined {
  const wrongKind = (issues: readonly z.core.$ZodIssue[]) =>
    issues.some(
      ({ code, path }) => path.length === 0 && (code === 'invalid_type' || code === 'invalid_value'),
    );
  const wrongDriver = (issues: readonly z.core.$ZodIssue[]) =>
    issues.some(({ path }) => path[0] === 'driver');
  const unknown = (issues: readonly z.core.$ZodIssue[]) =>
    issues.reduce(
      (sum, each) =>
        sum + (each.code === 'unrecognized_keys' && each.path.length === 0 ? each.keys.length : 0),
      0,
    );
  const rightKind = branches.filter((issues) => typeof value !== 'object' || !wrongKind(issues));
  const candidates = rightKind.length > 0 ? rightKind : branches;
  const driven = candidates.filter((issues) => !wrongDriver(issues));
  return (driven.length > 0 ? driven : candidates).toSorted(
    (a, b) => unknown(a) - unknown(b) || a.length - b.length,
  )[0];
}

/** The place of a key, or of the nearest thing around it that has one. */
export function placeAt(
  path: readonly PropertyKey[],
  { root, places }: Pick<About, 'root' | 'places'>,
): Place | undefined {
  for (let length = path.length; length > 0; length--) {
    const key = path[length - 1];
    if (typeof key === 'symbol' || key === undefined) continue;
    const place = places.of(valueAt(root, path.slice(0, length - 1)), key);
    if (place !== undefined) return place;
  }
  return places.of(root);
}

export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path)
    value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return value;
}

/** `providers[0].images[2].name` */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`))
    .join('');
}
