import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';

/**
 * Commits as git stores them. Written here because a stack of twenty makes twenty of them, and a `git commit-tree` for each costs
 * more than the merges do. Like git's own loose objects: whole or not there (renamed into place), and read-only.
 */
export interface NewCommit {
  readonly tree: string;
  readonly parents: readonly string[];
  readonly author: Stamp;
  readonly committer: Stamp;
  readonly message: string;
}

export interface Stamp {
  readonly name: string;
  readonly email: string;
  /** `1500000000 +0000`. */
  readonly date: string;
}

/** Writes a commit into the repository at `dir` and answers its id. */
export async function writeCommit(dir: string, commit: NewCommit): Promise<string> {
  const body = Buffer.from(textOf(commit));
  const object = Buffer.concat([Buffer.from(`commit ${body.length}\0`), body]);
  const id = createHash('sha1').update(object).digest('hex');
  const folder = `${dir}/objects/${id.slice(0, 2)}`;
  const path = `${folder}/${id.slice(2)}`;
  if (existsSync(path)) return id;
  await mkdir(folder, { recursive: true });
  const made = `${folder}/tmp_obj_${randomBytes(6).toString('hex')}`;
  await writeFile(made, await compress(object), { mode: 0o444, flag: 'wx' });
  await rename(made, path);
  return id;
}

const compress = promisify<Buffer, Buffer>(deflate);

function textOf({ tree, parents, author, committer, message }: NewCommit): string {
  const lines = [
    `tree ${tree}`,
    ...parents.map((parent) => `parent ${parent}`),
    `author ${stampText(author)}`,
    `committer ${stampText(committer)}`,
  ];
  return `${lines.join('\n')}\n\n${message.replaceAll('\0', '')}`;
}

/** A person may be called anything; what git's own format cannot hold is left out, as git does. */
function stampText({ name, email, date }: Stamp): string {
  const when = /^\d{1,12} [+-]\d{4}$/.test(date) ? date : '0 +0000';
  return `${plain(name) || 'unknown'} <${plain(email)}> ${when}`;
}

function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- what git calls crud
  return text.replace(/[\u0000-\u001f<>]/g, '').replace(/^[\s.,:;"\\']+|[\s.,:;"\\']+$/g, '');
}
