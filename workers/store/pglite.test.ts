import fs, { mkdtempSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { migrate } from './migrate.ts';
import { openPglite } from './pglite.ts';
import { MIGRATIONS } from './schema.ts';
import { openStore } from './store.ts';

const directory = mkdtempSync(join(tmpdir(), 'stackgate-pglite-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Counts what reaches the disk, through PGlite's own file system. */
function countFsyncs(): { count: number; end(): void } {
  const real = fs.fsyncSync;
  const counter = {
    count: 0,
    end: () => {
      fs.fsyncSync = real;
      syncBuiltinESMExports();
    },
  };
  fs.fsyncSync = (fd) => {
    counter.count += 1;
    real(fd);
  };
  syncBuiltinESMExports();
  return counter;
}

test('a durable transaction reaches the disk, a wake-up does not', async () => {
  const fsyncs = countFsyncs();
  const db = await openPglite({ directory });
  try {
    await db.script('CREATE TABLE public.t (n integer)');
    const before = fsyncs.count;
    await db.transaction((sql) => sql.query('INSERT INTO public.t VALUES (1)'));
    expect(fsyncs.count).toBe(before + 1);
    await db.query('INSERT INTO public.t VALUES (2)');
    expect(fsyncs.count).toBe(before + 1);
    await db.script('CHECKPOINT');
    expect(fsyncs.count).toBeGreaterThan(before + 2);
    expect(await db.query('SHOW fsync')).toEqual([{ fsync: 'on' }]);
    expect(await db.query('SHOW data_checksums')).toEqual([{ data_checksums: 'on' }]);
  } finally {
    await db[Symbol.asyncDispose]();
    fsyncs.end();
  }
});

test('a transaction that fails leaves nothing, and the session free', async () => {
  const db = await openPglite({ directory });
  await db.script('CREATE TABLE IF NOT EXISTS public.u (n integer PRIMARY KEY)');
  const failing = db.transaction(async (sql) => {
    await sql.query('INSERT INTO public.u VALUES (1)');
    await sql.query('INSERT INTO public.u VALUES (1)');
  });
  const beside = db.query<{ n: number }>('SELECT count(*) AS n FROM public.u');
  await expect(failing).rejects.toThrow('duplicate key');
  expect(await beside).toEqual([{ n: 0 }]);
  await db.maintain();
  await db[Symbol.asyncDispose]();
  await expect(db.query('SELECT 1')).rejects.toMatchObject({ code: 'stopped' });
});

test('the site is the same after a restart; migrations go forward only', async () => {
  const db = await openPglite({ directory });
  const site = await (await openStore(db)).site();
  await db[Symbol.asyncDispose]();
  const again = await openPglite({ directory });
  expect(await (await openStore(again)).site()).toBe(site);
  const later = [...MIGRATIONS, { version: 99, sql: 'ALTER TABLE stackgate.facts ADD COLUMN extra text' }];
  await migrate(again, later);
  await migrate(again, later);
  expect(await again.query('SELECT extra FROM stackgate.facts')).toEqual([]);
  await expect(openStore(again)).rejects.toMatchObject({ code: 'config-invalid' });
  await again[Symbol.asyncDispose]();
});
