import { constants } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { Fault } from '../../pipelines/fault.ts';

/** Files that hold secrets: nobody but their owner may read them, and they are never half written. */

/** Larger ones are no secrets but mistakes. */
const MOST_BYTES = 1024 * 1024;

/** What a file holds. Throws Fault `secret-unreadable` when it is not there, too large, or open to others. */
export async function readGuarded(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY).catch((caught: unknown) => {
    throw unreadable(path, reasonOf(caught), 'create it with mode 0600, or correct the path', caught);
  });
  try {
    await check(path, file);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** Looks at the file that was opened, so that it cannot be another one by the time it is read. */
async function check(path: string, file: FileHandle): Promise<void> {
  const { mode, uid, size, isFile } = await file.stat().then((stat) => ({
    mode: stat.mode,
    uid: stat.uid,
    size: stat.size,
    isFile: stat.isFile(),
  }));
  const fail = (reason: string, hint: string): never => {
    throw unreadable(path, reason, hint);
  };
  if (!isFile) fail('is no plain file', 'name the file itself');
  if (size > MOST_BYTES) fail('is larger than 1 MiB', 'a secret is a text or a small file');
  const own = process.geteuid?.();
  if (own !== undefined && uid !== own && uid !== 0)
    fail('belongs to another user', `chown it to the user Stackgate runs as`);
  if ((mode & 0o077) !== 0) {
    const shown = (mode & 0o777).toString(8).padStart(4, '0');
    fail(`can be read by others (mode ${shown})`, `chmod 600 ${path}`);
  }
}

export function unreadable(path: string, reason: string, hint: string, cause?: unknown): Fault {
  return new Fault('secret-unreadable', `${path} ${reason}`, { hint, cause });
}

function reasonOf(caught: unknown): string {
  const code = caught instanceof Error && 'code' in caught ? caught.code : undefined;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES') return 'cannot be read by this user';
  return `cannot be read: ${caught instanceof Error ? caught.message : String(caught)}`;
}

/** Written aside, flushed and renamed; mode 0600 from its first byte. */
export async function writeGuarded(path: string, content: string | Uint8Array): Promise<void> {
  const aside = `${path}.${process.pid}.new`;
  const file = await open(aside, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
    await rename(aside, path);
  } catch (caught) {
    await unlink(aside).catch(() => undefined);
    throw caught;
  } finally {
    await file.close();
  }
}
