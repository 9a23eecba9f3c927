import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errnoOf } from './errno.ts';
import { asNodeFault } from './supervisor/folder.ts';

/**
 * Leases that outlive us: one small file each, written aside, flushed and renamed into place. A lease is granted when its file is
 * there and given back when it is gone; whatever dies in between, the machine belongs to whom the file says.
 */

export const LeaseRecord = z.object({
  id: z.string(),
  /** The request it answers. */
  request: z.string(),
  build: z.string(),
  job: z.string(),
  pipeline: z.string(),
  slot: z.int().nonnegative(),
  /** ms */
  grantedAt: z.number(),
});
export type LeaseRecord = z.infer<typeof LeaseRecord>;

export interface LeaseFiles {
  /** Every lease, once, before anything is written; halves of files that a crash left are removed. */
  open(): Promise<LeaseRecord[]>;
  /** One lease as it is written now. */
  read(id: string): Promise<LeaseRecord | undefined>;
  put(lease: LeaseRecord): Promise<void>;
  drop(id: string): Promise<void>;
}

export function leaseFiles(directory: string): LeaseFiles {
  return {
    async open() {
      const leases: LeaseRecord[] = [];
      for (const name of await names(directory)) {
        if (name.startsWith('.')) await rm(join(directory, name), { force: true });
        if (!name.endsWith('.json') || name.startsWith('.')) continue;
        const text = await readFile(join(directory, name), 'utf8');
        leases.push(LeaseRecord.parse(JSON.parse(text)));
      }
      return leases;
    },
    async read(id) {
      try {
        return LeaseRecord.parse(JSON.parse(await readFile(join(directory, `${id}.json`), 'utf8')));
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return undefined;
        throw asNodeFault(error, `cannot read lease ${id}`);
      }
    },
    async put(lease) {
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        const aside = join(directory, `.${randomBytes(8).toString('hex')}`);
        const file = await open(aside, 'wx', 0o600);
        try {
          await file.writeFile(`${JSON.stringify(lease)}\n`);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(aside, join(directory, `${lease.id}.json`));
        await flush(directory);
      } catch (error) {
        throw asNodeFault(error, `cannot write down lease ${lease.id}`);
      }
    },
    async drop(id) {
      await rm(join(directory, `${id}.json`), { force: true });
      await flush(directory);
    },
  };
}

async function names(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw asNodeFault(error, `cannot list leases in ${directory}`);
  }
}

async function flush(directory: string): Promise<void> {
  const folder = await open(directory, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
