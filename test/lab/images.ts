import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Images of a lab: what a node had written to its disk, as a tar file. */
export interface Images {
  /** Saves what a node (its first process) has written; an image of the same name is replaced. */
  save(name: string, pid: number): Promise<void>;
  list(): Promise<string[]>;
  has(name: string): boolean;
  delete(name: string): Promise<void>;
  path(name: string): string;
}

const run = promisify(execFile);

export function imagesIn(folder: string): Images {
  const path = (name: string) => join(folder, `${encodeURIComponent(name)}.tar`);
  return {
    path,
    has: (name) => existsSync(path(name)),
    async save(name, pid) {
      await mkdir(folder, { recursive: true });
      const aside = `${path(name)}.${process.pid}.part`;
      // Deleted files and replaced folders are marks of the overlay: devices, and attributes that only root sees.
      const all = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '--sparse'];
      await run('tar', ['--create', '--file', aside, ...all, '--directory', `/proc/${pid}/fd/9/`, '.']);
      await rename(aside, path(name));
    },
    async list() {
      const names = await readdir(folder).catch(() => []);
      return names.flatMap((name) =>
        name.endsWith('.tar') ? [decodeURIComponent(name.slice(0, -'.tar'.length))] : [],
      );
    },
    delete: (name) => rm(path(name), { force: true }),
  };
}
