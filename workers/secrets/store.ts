import { randomBytes } from 'node:crypto';
import { link, mkdir, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { readGuarded, unreadable, writeGuarded } from './guarded.ts';
import { seal, unseal } from './seal.ts';
import type { StorePlace } from './settings.ts';

/** The encrypted file of secrets. Names are sealed with the values; without its key the file tells nothing but its size. */

const Entries = z.record(
  z.string(),
  /** base64; ms. */
  z.strictObject({ value: z.string(), changedAt: z.number() }),
);
type Entries = z.infer<typeof Entries>;

export interface StoredSecret {
  readonly content: Buffer;
  /** ms */
  readonly changedAt: number;
}

/** Throws Fault `secret-unreadable`. A file that does not exist yet holds nothing. */
export async function readStore(place: StorePlace): Promise<ReadonlyMap<string, StoredSecret>> {
  const entries = Object.entries(await entriesOf(place));
  return new Map(
    entries.map(([name, { value, changedAt }]) => [
      name,
      { content: Buffer.from(value, 'base64'), changedAt },
    ]),
  );
}

/** Adds a secret or replaces it; the first one makes the key. Answers whether the key is new. */
export async function writeStore(
  place: StorePlace,
  name: string,
  content: Uint8Array,
  at: number,
): Promise<{ madeKey: boolean }> {
  const madeKey = !(await exists(place.file)) && (await makeKey(place.key));
  const entries = await entriesOf(place);
  entries[name] = { value: Buffer.from(content).toString('base64'), changedAt: at };
  await save(place, entries);
  return { madeKey };
}

/** False: it was not there. */
export async function dropFromStore(place: StorePlace, name: string): Promise<boolean> {
  const entries = await entriesOf(place);
  if (!Object.hasOwn(entries, name)) return false;
  await save(place, Object.fromEntries(Object.entries(entries).filter(([key]) => key !== name)));
  return true;
}

async function entriesOf(place: StorePlace): Promise<Entries> {
  if (!(await exists(place.file))) return {};
  const text = await unseal((await readGuarded(place.file)).toString('utf8'), await readKey(place.key));
  const entries = text === undefined ? undefined : Entries.safeParse(JSON.parse(text)).data;
  if (entries !== undefined) return { ...entries };
  const hint = `it was sealed with another key, or changed by somebody: bring back the key that belongs to it`;
  throw unreadable(place.file, `cannot be opened with ${place.key}`, hint);
}

async function save(place: StorePlace, entries: Entries): Promise<void> {
  await writeGuarded(place.file, await seal(JSON.stringify(entries), await readKey(place.key)));
}

/** Makes the key unless there is one; of several processes that try, one does. Answers whether it is new. */
export async function makeKey(key: string): Promise<boolean> {
  if (await exists(key)) return false;
  const aside = `${key}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(dirname(key), { recursive: true, mode: 0o700 });
    await writeGuarded(aside, `${randomBytes(32).toString('base64')}\n`);
    // A link, unlike a rename, never replaces what somebody else made meanwhile.
    await link(aside, key);
    return true;
  } catch (caught) {
    if (caught instanceof Error && 'code' in caught && caught.code === 'EEXIST') return false;
    const hint = 'name a place that Stackgate can write to, or a file that is there (`secret-store.key`)';
    throw unreadable(key, 'cannot be made', hint, caught);
  } finally {
    await unlink(aside).catch(() => undefined);
  }
}

/** The content of the key file without a line end, so that a passphrase typed by an editor works, too. */
export async function readKey(key: string): Promise<Buffer> {
  const content = await readGuarded(key);
  const trimmed = content.toString('latin1').trimEnd();
  if (trimmed.length >= 16) return Buffer.from(trimmed, 'latin1');
  throw unreadable(key, 'is too short for a key', 'use at least 16 characters; 32 random bytes are better');
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
