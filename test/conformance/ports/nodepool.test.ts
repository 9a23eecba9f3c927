import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { leaseOf } from '../../../nodepool/node.ts';
import type { Row } from '../../../pipelines/ports.ts';
import { memoryPool } from '../../../workers/memory/pool.ts';
import { fileRecords } from '../../fixtures/filerecords.ts';
import { type LocalPool, openLocalPool } from '../../harness/localpool.ts';
import { nodePoolSuite, requestOf } from './nodepool.ts';
import { buildOf, followBuild, processesOf } from './shell.ts';

const asRoot = process.geteuid?.() === 0;

describe('local pool', () => {
  let directory = '';
  /** What the database of a site would hold; a restart finds it again. */
  let rows = new Map<string, Row>();
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'stackgate-pool-'));
    await chmod(directory, 0o711);
  });
  beforeEach(() => {
    rows = new Map();
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const local = (maxParallelJobs = 2) => ({
    root: join(directory, 'workspaces'),
    maxParallelJobs,
    labels: ['small', 'local'],
    ...(asRoot ? { users: ['nobody'] } : { allowSameUser: true }),
    limits: { grace: 300 },
  });
  const steps: string[] = [];
  const open = (maxParallelJobs = 2): Promise<LocalPool> =>
    openLocalPool(local(maxParallelJobs), memoryPool(rows), (name) => steps.push(name));
  const workspaces = () => readdir(join(directory, 'workspaces'));

  nodePoolSuite(() => ({ pool: () => open() }));

  async function granted(pool: LocalPool, request = requestOf()): Promise<string> {
    const answer = await pool.acquire(request, AbortSignal.timeout(20_000));
    if (answer.kind !== 'granted') throw new Error(answer.reason);
    return answer.lease.id;
  }

  test('a release clears the workspace and what runs in it', async () => {
    await using pool = await open();
    const build = buildOf(['#!/bin/bash\nsleep 300']);
    const lease = await granted(pool, requestOf({ build: build.build }));
    const place = await pool.shellOf(lease);
    expect(place?.node).toMatchObject({ name: 'local', labels: ['small', 'local'], slot: 0 });
    await place?.shell.start(build, AbortSignal.timeout(20_000));
    steps.length = 0;
    await pool.release(lease);
    expect(steps).toEqual(
      ['node.used', 'request.gone', 'node.deleting', 'node.gone']
        .flatMap((step, index) =>
          // What is given back is written with the end of its lease.
          index < 2 ? [] : [`${step}.before`, `${step}.after`],
        )
        .toSpliced(0, 0, 'node.used.before', 'request.gone.before', 'node.used.after', 'request.gone.after'),
    );
    expect(await processesOf(build.mark)).toEqual([]);
    expect(await workspaces()).toEqual([]);
    expect(await pool.shellOf(lease)).toBe(undefined);
    expect([...rows.values()].map((row) => row.table)).toEqual(['counter']);
  });

  test('a restart keeps what a lease holds and clears what none does', async () => {
    const kept = buildOf(['#!/bin/bash\necho kept; sleep 0.5']);
    const orphan = buildOf(['#!/bin/bash\nsleep 300']);
    let lease = '';
    {
      await using pool = await open();
      lease = await granted(pool, requestOf({ build: kept.build }));
      const place = await pool.shellOf(lease);
      await place?.shell.start(kept, AbortSignal.timeout(20_000));
      await place?.shell.start(orphan, AbortSignal.timeout(20_000));
    }
    await mkdir(join(directory, 'workspaces', '.gone.build-1.abc'));
    await using pool = await open();
    const place = await pool.shellOf(lease);
    if (place === undefined) throw new Error('the lease is gone');
    expect((await followBuild(place.shell, kept.build)).text).toBe('kept\n');
    expect(await processesOf(orphan.mark)).toEqual([]);
    expect(await workspaces()).toEqual([kept.build]);
    await pool.release(lease);
    expect(await workspaces()).toEqual([]);
  });

  test.each([
    'request.waiting.before',
    'request.allocated.after',
    'node.building.before',
    'node.building.after',
    'node.testing.after',
    'node.ready.after',
    'node.in-use.before',
    'node.in-use.after',
    'node.used.before',
    'node.used.after',
    'node.deleting.after',
    'node.gone.before',
    'node.gone.after',
  ])(
    'killed at %s, the next life knows who holds what',
    async (point) => {
      const file = join(directory, `records-${point}.json`);
      const build = buildOf(['#!/bin/bash\nsleep 300']);
      const request = requestOf({ build: build.build });
      const child = fileURLToPath(new URL('../../fixtures/poolchild.ts', import.meta.url));
      const given = JSON.stringify({ records: file, options: local(), request, build });
      const killed = spawn(process.execPath, ['--import', 'tsx', child, given], {
        env: { ...process.env, STACKGATE_CRASH_AT: point },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const signal = await new Promise((resolve) => killed.once('exit', (_, how) => resolve(how)));
      expect(signal).toBe('SIGKILL');
      {
        await using pool = await openLocalPool(local(), fileRecords(file));
        const held = await pool.lease(leaseOf(request.id));
        expect(held !== undefined).toBe(['node.in-use.after', 'node.used.before'].includes(point));
        const lease = await granted(pool, request);
        await pool.release(lease);
        // What the last life gave back is cleaned in this one.
        await expect.poll(() => pool.context.book.nodes.size, { timeout: 20_000 }).toBe(0);
      }
      expect(await processesOf(build.mark)).toEqual([]);
      expect(await workspaces()).toEqual([]);
      expect((await fileRecords(file).all()).filter((row) => row.table !== 'counter')).toEqual([]);
    },
    60_000,
  );

  test('fewer places after a restart: the builds that run count', async () => {
    const held: string[] = [];
    {
      await using pool = await open();
      for (const _ of [1, 2]) held.push(await granted(pool));
    }
    await using pool = await open(1);
    await pool.release(held[0] ?? '');
    const waits = pool.acquire(requestOf(), AbortSignal.timeout(20_000));
    waits.catch(() => undefined);
    await Promise.resolve();
    expect(await pool.waiting()).toHaveLength(1);
    await pool.release(held[1] ?? '');
    const answer = await waits;
    if (answer.kind === 'granted') await pool.release(answer.lease.id);
  });

  test.skipIf(!asRoot)('is not opened for jobs as root', async () => {
    const options = { root: join(directory, 'other'), maxParallelJobs: 1, labels: [], allowSameUser: true };
    await expect(openLocalPool(options, memoryPool())).rejects.toMatchObject({ code: 'job-user' });
  });
});
