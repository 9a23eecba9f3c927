import type { z } from 'zod';
import type { Places } from '../../jobs/places.ts';
import { didYouMean, type Place, type Problem } from '../../jobs/problem.ts';
import { isRecord } from './ignored.ts';

/** What zod complains about, as problems with their places. */

export interface Complaints {
  readonly root: unknown;
  readonly places: Places;
  /** Where nothing better is known. */
  readonly start: Place;
  /** Keys that a mapping at this path may have, for "did you mean". */
  readonly keysAt: (path: readonly PropertyKey[], holder: unknown) => readonly string[];
}

export function complaintsOf(issue: z.core.$ZodIssue, about: Complaints): Problem[] {
  if (issue.code === 'invalid_union') {
    const branch = bestBranch(issue.errors);
    if (branch !== undefined) {
      return branch.flatMap((inner) =>
        complaintsOf({ ...inner, path: [...issue.path, ...inner.path] }, about),
      );
    }
  }
  const where = pathText(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const holder = valueAt(about.root, issue.path);
    return issue.keys.map((key) => {
      const near = didYouMean(key, about.keysAt(issue.path, holder));
      return {
        severity: 'error',
        code: 'unknown-key',
        message: `unknown key \`${key}\`${where === '' ? '' : ` in ${where}`}`,
        at: about.places.of(holder, key) ?? about.start,
        hint: near === undefined ? undefined : `did you mean \`${near}\`?`,
        path: where,
      };
    });
  }
  const message = `${where === '' ? 'the file' : where}: ${issue.message}`;
  return [
    { severity: 'error', code: 'nodepool-invalid', message, at: placeOf(issue.path, about), path: where },
  ];
}

/** Of the shapes a value could have had: one whose `driver` fits, else the one with the fewest complaints. */
function bestBranch(branches: readonly (readonly z.core.$ZodIssue[])[]) {
  const fits = branches.filter((issues) => !issues.some((issue) => issue.path[0] === 'driver'));
  return (fits.length > 0 ? fits : branches).toSorted((a, b) => a.length - b.length)[0];
}

function placeOf(path: readonly PropertyKey[], { root, places, start }: Complaints): Place {
  for (let length = path.length; length > 0; length--) {
    const holder = valueAt(root, path.slice(0, length - 1));
    const key = path[length - 1];
    const place = typeof key === 'symbol' ? undefined : places.of(holder, key);
    if (place !== undefined) return place;
  }
  return places.of(root) ?? start;
}

export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let at = root;
  for (const key of path) at = isRecord(at) || Array.isArray(at) ? Reflect.get(at, key) : undefined;
  return at;
}

/** `providers[0].images[2].name` */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`))
    .join('');
}
