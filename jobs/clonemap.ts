import { RE2JS } from 're2js';

/**
 * zuul-cloner's clone map: which project goes where in the workspace (zuul-v2.md 3.3). A rule's name is a regex that must match
 * the whole project; its destination may use the groups (`\1`); `.` is the workspace itself; no rule: the project's own path.
 */
export interface CloneRule {
  readonly name: string;
  readonly dest: string;
}

export type CloneMap =
  | { readonly kind: 'mapped'; readonly destinations: ReadonlyMap<string, string> }
  /** Sentences, all of them: two rules for a project, two projects in one place, a name that is no regex. */
  | { readonly kind: 'wrong'; readonly problems: readonly string[] };

/** Destinations are relative to the workspace, `''` the workspace itself, without `.` or `..` in them. */
export function mapClones(rules: readonly CloneRule[], projects: readonly string[]): CloneMap {
  const problems: string[] = [];
  const compiled = rules.flatMap((rule) => {
    try {
      return [{ rule, pattern: RE2JS.compile(rule.name) }];
    } catch (error) {
      problems.push(
        `${JSON.stringify(rule.name)} is no regular expression: ${error instanceof Error ? error.message : 'it cannot be read'}`,
      );
      return [];
    }
  });
  const destinations = new Map<string, string>();
  for (const project of new Set(projects)) {
    const matching = compiled.filter(({ pattern }) => pattern.matches(project));
    if (matching.length > 1) {
      problems.push(
        `${project} is matched by ${matching.map(({ rule }) => JSON.stringify(rule.name)).join(' and ')}`,
      );
    }
    const [first] = matching;
    const written = first === undefined ? project : filledIn(first.rule.dest, first.pattern, project);
    const destination = plainPath(written);
    if (destination === undefined)
      problems.push(`${project} would go to ${JSON.stringify(written)}, outside the workspace`);
    else destinations.set(project, destination);
  }
  problems.push(...shared(destinations));
  return problems.length === 0 ? { kind: 'mapped', destinations } : { kind: 'wrong', problems };
}

function filledIn(dest: string, pattern: RE2JS, project: string): string {
  const matcher = pattern.matcher(project);
  if (!matcher.matches()) return dest;
  return dest.replace(/\\(?:g<(\d+)>|(\d))/g, (whole, long?: string, short?: string) => {
    const group = Number(long ?? short);
    return group <= matcher.groupCount() ? (matcher.group(group) ?? '') : whole;
  });
}

function plainPath(path: string): string | undefined {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return path.startsWith('/') || parts.includes('..') ? undefined : parts.join('/');
}

function shared(destinations: ReadonlyMap<string, string>): string[] {
  const guests = new Map<string, string[]>();
  for (const [project, destination] of destinations)
    guests.set(destination, [...(guests.get(destination) ?? []), project]);
  return [...guests].flatMap(([destination, all]) =>
    all.length < 2
      ? []
      : [`${all.join(' and ')} would share ${destination === '' ? 'the workspace' : destination}`],
  );
}
