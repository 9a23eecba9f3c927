import { spawn } from 'node:child_process';
import { access, chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalPool, leaseOf, openLocalPool } from '../../../nodepool/providers/local.ts';
import { nodePoolSuite, requestOf } from './nodepool.ts';
import { buildOf, followBuild, processesOf } from './shell.ts';

const asRoot = process.geteuid?.() === 0;

describe('local pool', () => {
  let directory = '';
  const steps: string[] = [];
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'stackgate-pool-'));
    await chmod(directory, 0o711);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const open = (more: { leases?: string; maxParallelJobs?: number } = {}): Promise<LocalPool> =>
    openLocalPool({
      root: join(directory, 'workspaces'),
      leases: join(directory, 'leases'),
      maxParallelJobs: 2,
      labels: ['small', 'local'],
      ...(asRoot ? { users: ['nobody'] } : { allowSameUser: true }),
      limits: { grace: 300 },
      clock: { now: Date.now },
      passed: (name) => steps.push(name),
      ...more,
    });

  nodePoolSuite(() => ({ pool: () => open() }));

  test('a release clears the workspace and what runs in it, then the lease', async () => {
    await using pool = await open();
    const build = buildOf(['#!/bin/bash\nsleep 300']);
    const answer = await pool.acquire(requestOf({ build: build.build }), AbortSignal.timeout(5000));
    if (answer.kind !== 'granted') throw new Error(answer.reason);
    const place = await pool.shellOf(answer.lease.id);
    expect(place?.node).toMatchObject({ name: 'local', labels: ['small', 'local'], slot: 0 });
    await place?.shell.start(build, AbortSignal.timeout(5000));
    steps.length = 0;
    await pool.release(answer.lease.id);
    expect(steps).toEqual(['lease.release.before', 'lease.release.cleared', 'lease.release.after']);
    expect(await processesOf(build.mark)).toEqual([]);
    expect(await readdir(join(directory, 'workspaces'))).toEqual([]);
    expect(await pool.shellOf(answer.lease.id)).toBe(undefined);
  });

  test('a restart keeps what a lease holds and clears what none does', async () => {
    const kept = buildOf(['#!/bin/bash\necho kept; sleep 0.5']);
    const orphan = buildOf(['#!/bin/bash\nsleep 300']);
    let lease = '';
    {
      await using pool = await open();
      const answer = await pool.acquire(requestOf({ build: kept.build }), AbortSignal.timeout(5000));
      if (answer.kind !== 'granted') throw new Error(answer.reason);
      lease = answer.lease.id;
      const place = await pool.shellOf(lease);
      await place?.shell.start(kept, AbortSignal.timeout(5000));
      await place?.shell.start(orphan, AbortSignal.timeout(5000));
    }
    await mkdir(join(directory, 'workspaces', '.gone.build-1.abc'));
    await using pool = await open();
    const place = await pool.shellOf(lease);
    if (place === undefined) throw new Error('the lease is gone');
    expect((await followBuild(place.shell, kept.build)).text).toBe('kept\n');
    expect(await processesOf(orphan.mark)).toEqual([]);
    expect(await readdir(join(directory, 'workspaces'))).toEqual([kept.build]);
    await pool.release(lease);
    await expect(access(join(directory, 'leases', `${lease}.json`))).rejects.toThrow('ENOENT');
  });

  test.each([
    'lease.grant.before',
    'lease.grant.after',
    'lease.release.before',
    'lease.release.cleared',
    'lease.release.after',
  ])('killed at %s, the next life knows who holds what', async (point) => {
    const build = buildOf(['#!/bin/bash\nsleep 300']);
    const request = requestOf({ build: build.build });
    const here = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const options = {
      root: join(directory, 'workspaces'),
      leases: join(directory, 'leases'),
      maxParallelJobs: 2,
      labels: ['small', 'local'],
      ...(asRoot ? { users: ['nobody'] } : { allowSameUser: true }),
      limits: { grace: 300 },
    };
    const code = `
      const { openLocalPool } = await import(${here('../../../nodepool/providers/local.ts')});
      const { crashpoint } = await import(${here('../../../workers/crashpoint.ts')});
      const pool = await openLocalPool({ ...${JSON.stringify(options)}, clock: { now: Date.now }, passed: crashpoint });
      const { lease } = await pool.acquire(${JSON.stringify(request)}, AbortSignal.timeout(10000));
      const { shell } = await pool.shellOf(lease.id);
      await shell.start(${JSON.stringify(build)}, AbortSignal.timeout(10000));
      await pool.release(lease.id);
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      env: { ...process.env, STACKGATE_CRASH_AT: point },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    expect(await new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))).toBe(
      'SIGKILL',
    );
    await using pool = await open();
    const held = await pool.lease(leaseOf(request.id));
    expect(held !== undefined).toBe(
      ['lease.grant.after', 'lease.release.before', 'lease.release.cleared'].includes(point),
    );
    const answer = await pool.acquire(request, AbortSignal.timeout(5000));
    if (answer.kind !== 'granted') throw new Error(answer.reason);
    await pool.release(answer.lease.id);
    expect(await processesOf(build.mark)).toEqual([]);
    expect(await readdir(join(directory, 'workspaces'))).toEqual([]);
    expect(await readdir(join(directory, 'leases'))).toEqual([]);
  });

  test('fewer places after a restart: the builds that run count', async () => {
    const held: string[] = [];
    {
      await using pool = await open();
      for (const _ of [1, 2]) {
        const answer = await pool.acquire(requestOf(), AbortSignal.timeout(5000));
        if (answer.kind === 'granted') held.push(answer.lease.id);
      }
    }
    await using pool = await open({ maxParallelJobs: 1 });
    await pool.release(held[0] ?? '');
    const stop = new AbortController();
    const waits = pool.acquire(requestOf(), stop.signal);
    waits.catch(() => undefined);
    await Promise.resolve();
    expect(await pool.waiting()).toHaveLength(1);
    await pool.release(held[1] ?? '');
    const answer = await waits;
    if (answer.kind === 'granted') await pool.release(answer.lease.id);
  });

  test.skipIf(!asRoot)('is not opened for jobs as root', async () => {
    const options = { root: join(directory, 'other'), leases: join(directory, 'l2'), maxParallelJobs: 1 };
    await expect(
      openLocalPool({ ...options, labels: [], clock: { now: Date.now }, allowSameUser: true }),
    ).rejects.toMatchObject({ code: 'job-user' });
  });
});
