import { randomBytes } from 'node:crypto';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import type { z } from 'zod';

/** Small files that are there as a whole or not at all. */

export async function writeAside(path: string, value: unknown): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  await writeFile(aside, `${JSON.stringify(value)}\n`);
  await rename(aside, path);
}

export async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

export async function ageOf(path: string): Promise<number> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch {
    return 0;
  }
}
