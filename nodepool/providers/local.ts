import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../pipelines/fault.ts';
import type { Clock, Lease, LeasedNode, NodePool, NodeRequest, Shell } from '../../pipelines/ports.ts';
import { inOrder, misfit, type Waiting, whyWaiting } from '../allocate.ts';
import { checkAccess, resolveJobUser } from '../jobuser.ts';
import { type LeaseRecord, leaseFiles } from '../leases.ts';
import { defaultLimits, type FolderPlan, type JobUser, type SupervisorLimits } from '../supervisor/plan.ts';
import { followsBuild, localShell } from '../supervisor/shell.ts';

/**
 * This machine as a node, Jenkins' `node: master`: so many places for builds, given out by precedence, then age. Leases are files
 * and workspaces are folders, so a restart knows both; a folder that no lease speaks of is what a crash left of a release, and
 * is cleared away, with whatever still runs in it.
 */

export interface LocalOptions {
  /** Folder of the workspaces. The job's user must be able to reach it. */
  readonly root: string;
  /** Folder of the lease files. */
  readonly leases: string;
  readonly maxParallelJobs: number;
  readonly labels: readonly string[];
  /** `local` when left out. */
  readonly name?: string | undefined;
  /** Accounts the steps run as, place by place. With one for each place, builds cannot touch each other. */
  readonly users?: readonly string[] | undefined;
  /**
   * Nothing but builds ever runs as these users (never say so of `nobody`): with one for each place, every process of a user
   * dies with its build, whatever it hides behind.
   */
  readonly dedicatedUsers?: boolean | undefined;
  readonly allowSameUser?: boolean | undefined;
  /** Steps cannot become root by sudo; true when left out. */
  readonly noNewPrivileges?: boolean | undefined;
  /** Folders that the job's user must not be able to read. */
  readonly secret?: readonly string[] | undefined;
  /** Variables of every build, such as http_proxy. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly limits?: Partial<SupervisorLimits> | undefined;
  readonly clock: Clock;
  /** Called with the names of the durable steps as they are passed: `lease.grant.before` and so on. */
  readonly passed?: ((name: string) => void) | undefined;
}

export interface LocalPool extends NodePool {
  /** The shell and the node of a lease. */
  shellOf(lease: string): Promise<{ readonly shell: Shell; readonly node: LeasedNode } | undefined>;
  /** True when jobs run as ourselves: worth a loud sentence at start. */
  readonly sameUser: boolean;
}

interface Waiter extends Waiting {
  readonly grant: (lease: Lease) => void;
  readonly fail: (fault: Fault) => void;
}

/** A lease's id follows from its request's, so that asking again after a crash is asking for the same one. */
export function leaseOf(request: string): string {
  return `lease-${request}`;
}

/** Opens the pool, finds its leases again and clears orphans. Throws Fault `job-user` when jobs would run as the wrong user. */
export async function openLocalPool(options: LocalOptions): Promise<LocalPool> {
  const name = options.name ?? 'local';
  const passed = options.passed ?? (() => undefined);
  const users = await usersOf(options);
  await mkdir(options.root, { recursive: true, mode: 0o711 });
  await chmod(options.root, 0o711);
  for (const user of users) await checkAccess(user, options.root, options.secret ?? []);

  const files = leaseFiles(options.leases);
  const leases = new Map((await files.open()).map((lease) => [lease.id, lease]));
  const waiters = new Map<string, Waiter>();
  /** Ids whose file is being written or removed: their places are taken. */
  const releasing = new Map<string, Promise<void>>();
  let turn = 0;
  let closed = false;
  /** Grants are written one after the other. */
  let granting: Promise<void> = Promise.resolve();

  const { nodeOf, shellFor } = places(options, users);
  const leaseFrom = (record: LeaseRecord): Lease => ({ id: record.id, nodes: [nodeOf(record)] });

  function freeSlot(): number | undefined {
    // After a restart with fewer places, the builds of the others count, too.
    if (leases.size >= options.maxParallelJobs) return undefined;
    const taken = new Set([...leases.values()].map((lease) => lease.slot));
    for (let slot = 0; slot < options.maxParallelJobs; slot++) if (!taken.has(slot)) return slot;
    return undefined;
  }

  /** Gives free places to those that wait. */
  async function grantMore(): Promise<void> {
    for (;;) {
      const slot = closed ? undefined : freeSlot();
      const next = inOrder([...waiters.values()])[0];
      const waiter = next === undefined ? undefined : waiters.get(next.request.id);
      if (slot === undefined || waiter === undefined) return;
      waiters.delete(waiter.request.id);
      const { id, build, job, pipeline } = waiter.request;
      const record = {
        id: leaseOf(id),
        request: id,
        build,
        job,
        pipeline,
        slot,
        grantedAt: options.clock.now(),
      };
      leases.set(record.id, record);
      try {
        passed('lease.grant.before');
        await files.put(record);
        passed('lease.grant.after');
        waiter.grant(leaseFrom(record));
      } catch (caught) {
        leases.delete(record.id);
        waiter.fail(caught instanceof Fault ? caught : new Fault('bug', String(caught), { cause: caught }));
      }
    }
  }

  function wakeUp(): void {
    granting = granting.then(grantMore);
  }

  async function giveBack(record: LeaseRecord): Promise<void> {
    passed('lease.release.before');
    await shellFor(record.slot).forget(record.build, AbortSignal.timeout(10 * 60 * 1000));
    passed('lease.release.cleared');
    await files.drop(record.id);
    passed('lease.release.after');
    leases.delete(record.id);
    wakeUp();
  }

  await clearOrphans(options.root, new Set([...leases.values()].map((lease) => lease.build)), shellFor(0));

  return {
    sameUser: users.length === 0,
    async acquire(request, signal) {
      const held = leases.get(leaseOf(request.id));
      if (held !== undefined) {
        // Perhaps it is being written at this moment.
        await granting;
        if (leases.has(held.id)) return { kind: 'granted', lease: leaseFrom(held) };
      }
      const why = misfit(request, name, options.labels);
      if (why !== undefined) return { kind: 'refused', reason: why };
      signal.throwIfAborted();
      return { kind: 'granted', lease: await waitFor(request, signal) };
    },
    lease(id) {
      const record = leases.get(id);
      return Promise.resolve(record === undefined ? undefined : leaseFrom(record));
    },
    async release(id) {
      const record = leases.get(id);
      if (record === undefined) return;
      const under = releasing.get(id) ?? giveBack(record).finally(() => releasing.delete(id));
      releasing.set(id, under);
      await under;
    },
    waiting() {
      const busy = [...leases.values()];
      const list = inOrder([...waiters.values()]).map(({ request, since }, position) => ({
        id: request.id,
        job: request.job,
        since,
        why: whyWaiting(position, busy),
      }));
      return Promise.resolve(list);
    },
    shellOf(id) {
      const record = leases.get(id);
      return Promise.resolve(
        record === undefined ? undefined : { shell: shellFor(record.slot), node: nodeOf(record) },
      );
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const waiter of waiters.values()) {
        waiter.fail(new Fault('stopped', 'the node pool was closed', { retry: true }));
      }
      waiters.clear();
      await granting;
      await Promise.allSettled(releasing.values());
    },
  };

  /** One wait for each request, however often it is asked: the last one to ask gets the answer. */
  function waitFor(request: NodeRequest, signal: AbortSignal): Promise<Lease> {
    if (closed) throw new Fault('stopped', 'the node pool is closed', { retry: true });
    return new Promise((resolve, reject) => {
      const before = waiters.get(request.id);
      const done = () => signal.removeEventListener('abort', aborted);
      const waiter: Waiter = {
        request,
        since: before?.since ?? options.clock.now(),
        turn: before?.turn ?? ++turn,
        grant(lease) {
          done();
          before?.grant(lease);
          resolve(lease);
        },
        fail(fault) {
          done();
          before?.fail(fault);
          reject(fault);
        },
      };
      const aborted = () => {
        if (waiters.get(request.id) === waiter) {
          if (before === undefined) waiters.delete(request.id);
          else waiters.set(request.id, before);
        }
        reject(signal.reason instanceof Error ? signal.reason : new Fault('stopped', 'no longer wanted'));
      };
      signal.addEventListener('abort', aborted, { once: true });
      waiters.set(request.id, waiter);
      wakeUp();
    });
  }
}

/** The shells of leases that another process on this machine gives out. */
export async function openLocalShells(options: LocalOptions): Promise<Pick<LocalPool, 'shellOf'>> {
  const { nodeOf, shellFor } = places(options, await usersOf(options));
  const files = leaseFiles(options.leases);
  return {
    async shellOf(id) {
      const record = await files.read(id);
      return record === undefined ? undefined : { shell: shellFor(record.slot), node: nodeOf(record) };
    },
  };
}

/** What a lease's slot means: a node to name, a shell to work with. */
function places(options: LocalOptions, users: readonly JobUser[]) {
  const name = options.name ?? 'local';
  const planFor = (slot: number): FolderPlan => ({
    limits: { ...defaultLimits, ...options.limits },
    user: users[slot % Math.max(1, users.length)],
    exclusive: options.dedicatedUsers === true && users.length >= options.maxParallelJobs,
    noNewPrivileges: options.noNewPrivileges ?? true,
    environment: options.environment ?? {},
  });
  return {
    nodeOf: (lease: LeaseRecord): LeasedNode => ({
      id: `${name}-${lease.slot}`,
      name,
      label: options.labels[0] ?? name,
      labels: options.labels,
      slot: lease.slot,
      role: 'primary',
      provider: 'local',
      root: options.root,
    }),
    shellFor: (slot: number): Shell => localShell(options.root, planFor(slot)),
  };
}

async function usersOf(options: LocalOptions): Promise<JobUser[]> {
  const named = options.users ?? [];
  const wanted = named.length === 0 ? [undefined] : named;
  const users: JobUser[] = [];
  for (const user of wanted) {
    const found = await resolveJobUser({ user, allowSameUser: options.allowSameUser });
    if (found !== undefined) users.push(found);
  }
  return users;
}

/** Folders of builds that no lease holds, and halves of folders: a crash left them. */
async function clearOrphans(root: string, held: ReadonlySet<string>, shell: Shell): Promise<void> {
  for (const entry of await readdir(root, { withFileTypes: true })) {
    const follows = [...held].some((build) => followsBuild(entry.name, build));
    if (!entry.isDirectory() || held.has(entry.name) || follows) continue;
    if (/^\.(?:gone\.)?build-/.test(entry.name)) {
      await rm(join(root, entry.name), { recursive: true, force: true });
    } else if (entry.name.startsWith('build-')) {
      await shell.forget(entry.name, AbortSignal.timeout(60_000));
    }
  }
}
