import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { didYouMean, type Place, type Problem, type SourceFile } from '../jobs/problem.ts';
import { readYaml } from '../jobs/yaml.ts';
import { Site } from './sitekeys.ts';

/** Reading `stackgate.yaml`: its keys are in sitekeys.ts. */

export interface SiteRead {
  readonly site?: Site;
  readonly problems: readonly Problem[];
  readonly sources: readonly SourceFile[];
  /** Directory that relative paths of the file are resolved against. */
  readonly base: string;
  /** Where a key of the file stands, such as `['secrets', 'token']`; of one that is not written, its parent. */
  readonly at?: SitePlaces;
}

export type SitePlaces = (path: readonly PropertyKey[]) => Place | undefined;

/** The first of: the file named, `$STACKGATE_CONFIG`, `./stackgate.yaml`, `/etc/stackgate/stackgate.yaml`. */
export function siteFile(named: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  return resolve(
    named ?? env['STACKGATE_CONFIG'] ?? firstReadable(['stackgate.yaml', '/etc/stackgate/stackgate.yaml']),
  );
}

function firstReadable(candidates: readonly string[]): string {
  return candidates.find((file) => readText(file) !== undefined) ?? candidates[0] ?? 'stackgate.yaml';
}

/** Reads and checks the site file. Never throws: an unreadable file is a Problem like any other. */
export function readSite(file: string): SiteRead {
  const base = dirname(file);
  const text = readText(file);
  if (text === undefined) {
    const message = `cannot read the site file ${file}`;
    const hint = 'copy examples/third-party, fill in host and key, and name its stackgate.yaml with --config';
    return { base, sources: [], problems: [{ severity: 'error', code: 'site-unreadable', message, hint }] };
  }
  const source = { name: file, text };
  const { value, problems, places } = readYaml(source);
  if (problems.some((problem) => problem.severity === 'error')) return { base, sources: [source], problems };
  const checked = Site.safeParse(value);
  if (checked.success) {
    const at: SitePlaces = (path) => placeOf(value, path, places);
    return { base, sources: [source], problems, site: checked.data, at };
  }
  const found = checked.error.issues.flatMap((issue) => siteProblems(issue, value, places, file));
  return { base, sources: [source], problems: [...problems, ...found] };
}

type Places = ReturnType<typeof readYaml>['places'];

function siteProblems(issue: z.core.$ZodIssue, value: unknown, places: Places, file: string): Problem[] {
  if (issue.code === 'invalid_union') {
    const best = bestBranch(issue.errors, parentOf(value, issue.path));
    if (best !== undefined) {
      return best.flatMap((inner) =>
        siteProblems({ ...inner, path: [...issue.path, ...inner.path] }, value, places, file),
      );
    }
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const holder = parentOf(value, issue.path);
      const near = didYouMean(key, knownKeys(issue.path));
      return {
        severity: 'error',
        code: 'unknown-key',
        message: `unknown key \`${key}\`${issue.path.length === 0 ? '' : ` in ${issue.path.join('.')}`}`,
        at: (isObject(holder) ? places.of(holder, key) : undefined) ?? { file, line: 1, column: 1 },
        hint: near === undefined ? undefined : `did you mean \`${near}\`?`,
      };
    });
  }
  const name = issue.path.join('.') || 'the file';
  return [
    {
      severity: 'error',
      code: 'site-invalid',
      message: `${name}: ${issue.message}`,
      at: placeOf(value, issue.path, places) ?? { file, line: 1, column: 1 },
    },
  ];
}

/** Of the shapes a value could have had: the one its `driver` names, else the one with the fewest complaints. */
function bestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
  value: unknown,
): readonly z.core.$ZodIssue[] | undefined {
  const wrongDriver = (issues: readonly z.core.$ZodIssue[]) =>
    issues.some((issue) => issue.path[0] === 'driver');
  const candidates = isObject(value) ? branches.filter((issues) => !wrongDriver(issues)) : branches;
  return (candidates.length > 0 ? candidates : branches).toSorted((a, b) => a.length - b.length)[0];
}

/** Keys the schema knows at a path, as far as a slip of the hand is concerned: read off the schema itself. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  let nodes: readonly SchemaNode[] = [
    SchemaNode.parse(z.toJSONSchema(Site, { io: 'input', unrepresentable: 'any' })),
  ];
  for (const key of path) {
    nodes = nodes.flatMap(branches).flatMap(({ properties, additionalProperties }) => {
      const child = properties?.[String(key)];
      if (child !== undefined) return [child];
      return typeof additionalProperties === 'object' ? [additionalProperties] : [];
    });
  }
  return nodes.flatMap(branches).flatMap(({ properties }) => Object.keys(properties ?? {}));
}

function branches(node: SchemaNode): readonly SchemaNode[] {
  return node.anyOf === undefined ? [node] : node.anyOf.flatMap(branches);
}

const SchemaNode = z.object({
  get properties() {
    return z.record(z.string(), SchemaNode).optional();
  },
  get additionalProperties() {
    return z.union([SchemaNode, z.boolean()]).optional();
  },
  get anyOf() {
    return z.array(SchemaNode).optional();
  },
});
type SchemaNode = z.infer<typeof SchemaNode>;

function placeOf(value: unknown, path: readonly PropertyKey[], places: Places) {
  for (let length = path.length; length > 0; length--) {
    const holder = parentOf(value, path.slice(0, length - 1));
    const key = path[length - 1];
    if (isObject(holder) && (typeof key === 'string' || typeof key === 'number')) {
      const place = places.of(holder, key) ?? places.of(holder);
      if (place !== undefined) return place;
    }
  }
  return isObject(value) ? places.of(value) : undefined;
}

function parentOf(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) at = isObject(at) ? Reflect.get(at, key) : undefined;
  return at;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

export function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** A path of the site file: `~` is the home directory, relative paths start at the file. */
export function sitePath(base: string, path: string): string {
  if (path === '~' || path.startsWith('~/')) return resolve(homedir(), path.slice(2));
  return isAbsolute(path) ? path : resolve(base, path);
}
