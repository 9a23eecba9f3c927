import { createWriteStream } from 'node:fs';
import { chmod, chown, copyFile, link, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { CollectedFile, StagedRepository } from '../pipelines/ports.ts';
import { errnoOf } from './errno.ts';
import { checkedPath } from './supervisor/plan.ts';

/**
 * Lays a repository beside a build. A job that fetched its change from our server would fail, and the patch get the blame,
 * whenever Stackgate is restarted at that moment; so what it fetches from lies on its own node.
 *
 * On one machine that costs next to nothing: git never changes an object file, so they are hard-linked. The folders belong to
 * the job's user (git refuses repositories of other people), the objects stay ours and read-only. While we link, git may
 * repack: loose objects go into a new pack first and away afterwards, so a file that vanished under us means: look again.
 */
export async function stageRepository(
  into: string,
  repository: StagedRepository,
  owner: { uid: number; gid: number } | undefined,
): Promise<void> {
  const folder = (path: string) => ownFolder(join(into, path), owner);
  await folder('refs/heads');
  await folder('objects/pack');
  for (let attempt = 1; ; attempt++) {
    try {
      for (const objects of await objectFolders(join(repository.path, 'objects')))
        await linkObjects(objects, join(into, 'objects'), owner);
      break;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || attempt >= 5) throw error;
    }
  }
  const refs = Object.entries(repository.refs).sort(([a], [b]) => (a < b ? -1 : 1));
  await writeFile(join(into, 'packed-refs'), refs.map(([name, commit]) => `${commit} ${name}\n`).join(''));
  await writeFile(join(into, 'config'), '[core]\n\trepositoryformatversion = 0\n\tbare = true\n');
  await writeFile(join(into, 'HEAD'), `ref: ${repository.head}\n`);
  if (owner !== undefined)
    for (const name of ['packed-refs', 'config', 'HEAD']) await chown(join(into, name), owner.uid, owner.gid);
}

/** Lays a file where a step that waits will look for it; readable, and not the job's until the job copies it. */
export async function giveFile(into: string, file: CollectedFile): Promise<void> {
  const path = join(into, checkedPath(file.path));
  const first = await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  if (first !== undefined)
    for (let made = dirname(path); made.length >= first.length; made = dirname(made))
      await chmod(made, 0o755);
  await pipeline(file.content, createWriteStream(path, { mode: 0o600 }));
  await chmod(path, 0o644);
}

/** Makes a folder and those above it, for the owner, and leaves what is there. */
async function ownFolder(path: string, owner: { uid: number; gid: number } | undefined): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o755 });
  if (first === undefined || owner === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made))
    await chown(made, owner.uid, owner.gid);
}

/** A repository's objects and those it borrows (`objects/info/alternates`). */
async function objectFolders(objects: string): Promise<string[]> {
  const text = await readFile(join(objects, 'info', 'alternates'), 'utf8').catch(() => '');
  const borrowed = text.split('\n').filter((line) => line !== '');
  const deeper = await Promise.all(borrowed.map((path) => objectFolders(resolve(objects, path))));
  return [objects, ...deeper.flat()];
}

/** Loose objects before packs: what is repacked meanwhile is in the pack that we look for afterwards. */
async function linkObjects(
  from: string,
  to: string,
  owner: { uid: number; gid: number } | undefined,
): Promise<void> {
  const names = await readdir(from);
  for (const name of names.filter((each) => /^[0-9a-f]{2}$/.test(each))) {
    const files = (await readdir(join(from, name))).filter((file) => /^[0-9a-f]{38}$/.test(file));
    if (files.length > 0) await ownFolder(join(to, name), owner);
    for (const file of files) await linkFile(join(from, name, file), join(to, name, file));
  }
  if (!names.includes('pack')) return;
  const packs = (await readdir(join(from, 'pack'))).filter((file) =>
    /^pack-[0-9a-f]+\.(pack|idx|rev)$/.test(file),
  );
  for (const file of packs) await linkFile(join(from, 'pack', file), join(to, 'pack', file));
}

async function linkFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST') return;
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK') throw error;
    await copyFile(from, to);
  }
}
