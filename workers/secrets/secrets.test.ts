import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seal, unseal } from './seal.ts';
import { siteSecrets } from './secrets.ts';
import { SecretRule, type SecretSettings } from './settings.ts';
import { dropFromStore, readStore, writeStore } from './store.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stackgate-secrets-'));
});
afterAll(async () => rm(dir, { recursive: true }));

const quiet = new AbortController().signal;
const asker = { job: 'publish', pipeline: 'post' };
const bound = { jobs: ['publish'], pipelines: ['post'] };

function secrets(rules: Record<string, unknown>, more: Partial<SecretSettings> = {}) {
  const store = { file: join(dir, 'sealed'), key: join(dir, 'key') };
  const parsed = Object.fromEntries(
    Object.entries(rules).map(([name, rule]) => [name, SecretRule.parse(rule)]),
  );
  return siteSecrets({ rules: parsed, store, env: {}, ...more });
}

async function file(name: string, content: string, mode = 0o600): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

describe('who gets a secret', () => {
  it('only the named job in the named pipeline', async () => {
    const site = secrets({ token: { file: await file('token', 'hunter22\n'), ...bound } });
    expect(await site.reveal('token', asker, quiet)).toEqual({ kind: 'text', text: 'hunter22' });
    expect(await site.reveal('token', { job: 'publish', pipeline: 'check' }, quiet)).toBeUndefined();
    expect(await site.reveal('token', { job: 'other', pipeline: 'post' }, quiet)).toBeUndefined();
    expect(await site.reveal('tokens', asker, quiet)).toBeUndefined();
    expect(await site.reveal('__proto__', asker, quiet)).toBeUndefined();
  });

  it('nobody by default: a rule names jobs and pipelines', () => {
    expect(SecretRule.safeParse({ env: 'A' }).success).toBe(false);
    expect(SecretRule.safeParse({ env: 'A', jobs: [], pipelines: ['post'] }).success).toBe(false);
    expect(SecretRule.safeParse({ env: 'A', file: 'b', ...bound }).success).toBe(false);
    expect(SecretRule.safeParse({ ...bound }).success).toBe(false);
  });
});

describe('where secrets lie', () => {
  it('files keep the line ends of keys, and come as files where the rule says so', async () => {
    const key = '-----BEGIN KEY-----\nabc\n-----END KEY-----\n';
    const path = await file('id', key);
    const site = secrets({ text: { file: path, ...bound }, whole: { file: path, as: 'file', ...bound } });
    expect(await site.reveal('text', asker, quiet)).toEqual({ kind: 'text', text: key });
    expect(await site.reveal('whole', asker, quiet)).toEqual({
      kind: 'file',
      name: 'id',
      content: new Uint8Array(Buffer.from(key)),
    });
  });

  it.each([0o640, 0o604, 0o644, 0o660])('refuses a file of mode %o', async (mode) => {
    const path = await file(`open-${mode}`, 'x', mode);
    const site = secrets({ open: { file: path, ...bound } });
    await expect(site.reveal('open', asker, quiet)).rejects.toMatchObject({
      code: 'secret-unreadable',
      hint: `chmod 600 ${path}`,
    });
  });

  it('refuses what is no file, and says what is missing', async () => {
    await symlink('/dev/zero', join(dir, 'zero'));
    const site = secrets({
      folder: { file: dir, ...bound },
      zero: { file: join(dir, 'zero'), ...bound },
      gone: { file: join(dir, 'gone'), ...bound },
      env: { env: 'NOT_THERE', ...bound },
      stored: { store: true, ...bound },
    });
    for (const name of ['folder', 'zero', 'gone', 'env', 'stored']) {
      await expect(site.reveal(name, asker, quiet)).rejects.toMatchObject({ code: 'secret-unreadable' });
    }
  });

  it('variables of the environment', async () => {
    const site = secrets({ one: { env: 'ONE', ...bound } }, { env: { ONE: 'from the environment' } });
    expect(await site.reveal('one', asker, quiet)).toEqual({ kind: 'text', text: 'from the environment' });
  });
});

describe('the encrypted file', () => {
  it('keeps secrets under a key made once, readable by its owner only', async () => {
    const place = { file: join(dir, 'a.sealed'), key: join(dir, 'a.key') };
    expect(await writeStore(place, 'token', Buffer.from('correct horse'), 1)).toEqual({ madeKey: true });
    expect(await writeStore(place, 'other', Buffer.from([0, 255]), 2)).toEqual({ madeKey: false });
    for (const path of [place.file, place.key]) expect((await stat(path)).mode & 0o777).toBe(0o600);
    const text = await readFile(place.file, 'utf8');
    expect(text).not.toMatch(/token|correct/);
    const site = secrets({ token: { store: true, ...bound } }, { store: place });
    expect(await site.reveal('token', asker, quiet)).toEqual({ kind: 'text', text: 'correct horse' });
    expect(await dropFromStore(place, 'token')).toBe(true);
    expect([...(await readStore(place)).keys()]).toEqual(['other']);
  });

  it('is not opened by another key, and notices every changed byte of what counts', async () => {
    const key = Buffer.from('a key of some length');
    const sealed = await seal('the truth', key);
    expect(await unseal(sealed, key)).toBe('the truth');
    expect(await unseal(sealed, Buffer.from('a key of same length'))).toBeUndefined();
    for (const [from, to] of [
      ['"cost": 15', '"cost": 14'],
      ['"format": "stackgate-secrets-1"', '"format": "stackgate-secrets-2"'],
    ] as const)
      expect(await unseal(sealed.replace(from, to), key)).toBeUndefined();
    expect(await unseal('{', key)).toBeUndefined();
    expect(await unseal('', key)).toBeUndefined();
  });

  it('never makes a new key for a file that has one already', async () => {
    const place = { file: join(dir, 'b.sealed'), key: join(dir, 'b.key') };
    await writeStore(place, 'token', Buffer.from('x'), 1);
    await rm(place.key);
    await expect(writeStore(place, 'other', Buffer.from('y'), 2)).rejects.toMatchObject({
      code: 'secret-unreadable',
    });
  });

  it('gives back whatever was put in', async () => {
    const key = Buffer.from('0123456789abcdef');
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 200 }), async (text) => {
        expect(await unseal(await seal(text, key), key)).toBe(text);
      }),
      { numRuns: 5 },
    );
  });
});
