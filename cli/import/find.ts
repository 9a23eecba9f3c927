import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { isDict, isList } from '../../jobs/jjb/python.ts';
import { readYaml } from '../../jobs/yaml.ts';

/** What every file of a data repository is, told by what is in it. */

export type Kind = 'vars' | 'zuul.conf' | 'layout' | 'nodepool' | 'jobs' | 'beside' | 'key' | 'other';

export interface Found {
  /** Relative to the repository, `/`-separated. */
  readonly path: string;
  readonly kind: Kind;
  readonly text: string;
}

const MOST_FILES = 10_000;
const MOST_BYTES = 2 * 1024 * 1024;
const JOB_KEYS = new Set([
  'job',
  'job-template',
  'job-group',
  'project',
  'defaults',
  'builder',
  'publisher',
  'wrapper',
  'scm',
  'trigger',
  'parameter',
  'property',
  'view',
  'view-template',
]);

export function findFiles(root: string): Found[] {
  const found = walk(root, root, []).map((path) => ({ path, ...kindOf(path, readText(join(root, path))) }));
  const jobFolders = new Set(found.filter(({ kind }) => kind === 'jobs').map(({ path }) => dirname(path)));
  // Scripts that jobs include lie with them or below.
  const isBeside = (path: string) =>
    [...jobFolders].some((folder) => folder !== '.' && path.startsWith(`${folder}/`)) ||
    jobFolders.has(dirname(path));
  return found.map((file) =>
    file.kind === 'other' && isBeside(file.path) ? { ...file, kind: 'beside' } : file,
  );
}

function walk(root: string, folder: string, found: string[]): string[] {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && entry.name !== '.git' && entry.name !== 'node_modules')
      walk(root, path, found);
    else if (entry.isFile() && found.length < MOST_FILES)
      found.push(relative(root, path).split(sep).join('/'));
  }
  return found;
}

/** Empty for what is no text, or too large to be one. */
function readText(path: string): string {
  if (statSync(path).size > MOST_BYTES) return '';
  const bytes = readFileSync(path);
  return bytes.includes(0) ? '' : bytes.toString('utf8');
}

function kindOf(path: string, text: string): { kind: Kind; text: string } {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return { kind: 'key', text: '' };
  if (/^vars\.sh$/.test(name)) return { kind: 'vars', text };
  if (/^zuul.*\.conf$/.test(name)) return { kind: 'zuul.conf', text };
  if (/\.ya?ml$/.test(name)) return { kind: yamlKind(path, text), text };
  return { kind: 'other', text };
}

function yamlKind(name: string, text: string): Kind {
  const { value } = readYaml({ name, text }, { tags: new Proxy({}, { get: () => () => null }) });
  if (isList(value)) {
    const first = value.find(isDict);
    return first !== undefined && Object.keys(first).some((key) => JOB_KEYS.has(key)) ? 'jobs' : 'other';
  }
  if (!isDict(value)) return 'other';
  if ('pipelines' in value && 'projects' in value) return 'layout';
  return 'labels' in value && 'providers' in value ? 'nodepool' : 'other';
}
