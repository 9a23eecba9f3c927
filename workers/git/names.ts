import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Names that come from Gerrit and become arguments, refs and folders. Everything is checked against a positive list
 * before it is used; what does not pass is refused with a sentence, never repaired.
 */

/** A project as Gerrit names it, without what could mean something to a path, a URL, ssh or git. */
export function isProject(name: string): boolean {
  if (name.length > 200 || !/^[\w./+-]+$/.test(name)) return false;
  return name.split('/').every((part) => /^[\w+][\w.+-]*$/.test(part) && !part.includes('..'));
}

/** A connection name of the site's configuration. */
export function isConnection(name: string): boolean {
  return /^[A-Za-z0-9_][\w.-]{0,63}$/.test(name);
}

export function isRevision(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

/** `refs/changes/34/1234/5`. */
export function isChangeRef(text: string): boolean {
  return /^refs\/changes\/\d\d\/\d+\/\d+$/.test(text);
}

/** The short name of a branch, by the rules of git-check-ref-format and without a leading dash. */
export function isBranch(name: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
  if (name.length === 0 || name.length > 200 || /[\u0000-\u0020\u007f~^:?*[\\]/.test(name)) return false;
  if (name.startsWith('-') || name.includes('..') || name.includes('@{') || name === '@') return false;
  return name
    .split('/')
    .every((part) => part !== '' && !/^[.]/.test(part) && !part.endsWith('.') && !part.endsWith('.lock'));
}

/** The `Z<32 hex>` of `refs/zuul/<branch>/Z<32 hex>`, or undefined when the ref is not of that form and branch. */
export function zuulId(ref: string, branch: string): string | undefined {
  const prefix = `refs/zuul/${branch}/`;
  const id = ref.startsWith(prefix) ? ref.slice(prefix.length) : '';
  return /^Z[0-9a-f]{32}$/.test(id) ? id : undefined;
}

/** Where jobs find the state of `branch` after the item `id`; Zuul's name. */
export function zuulRef(branch: string, id: string): string {
  return `refs/zuul/${branch}/${id}`;
}

/** Where we remember which branch tip that state was built on. Not served. */
export function baseRef(branch: string, id: string): string {
  return `refs/stackgate/base/${branch}/${id}`;
}

/**
 * Folder of a project's repository. Flat (`openstack%2Fnova.git`), because one project's name may be a prefix of another's
 * path; reversible, and without any character that a validated name cannot have.
 */
export function repoDir(root: string, connection: string, project: string): string {
  if (!isConnection(connection)) throw new RangeError(`not a connection name: ${JSON.stringify(connection)}`);
  if (!isProject(project)) throw new RangeError(`not a project name: ${JSON.stringify(project)}`);
  return join(root, connection, `${project.replaceAll('/', '%2F')}.git`);
}

/** The part of a project's repository that nodes fetch from. */
export function servedDir(dir: string): string {
  return join(dir, 'served');
}

/**
 * Finds the (served) repository that `/p/<path>` means: `<project>`, looked up in `connections` in their order, or
 * `~<connection>/<project>`, which looks there first. A trailing `.git` is accepted. Undefined: no such repository.
 */
export function locateRepo(root: string, connections: readonly string[], path: string): string | undefined {
  const match = /^(?:~([\w.-]+)\/)?(.+?)(?:\.git)?$/.exec(path);
  const project = match?.[2];
  if (project === undefined || !isProject(project)) return undefined;
  const first = match?.[1];
  if (first !== undefined && !connections.includes(first)) return undefined;
  const order = first === undefined ? connections : [first, ...connections.filter((name) => name !== first)];
  return order
    .map((name) => servedDir(repoDir(root, name, project)))
    .find((dir) => existsSync(join(dir, 'HEAD')));
}
