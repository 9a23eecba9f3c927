import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asFault } from '../../pipelines/fault.ts';
import type { Shell } from '../../pipelines/ports.ts';
import type { ProviderConfig } from '../config/config.ts';
import { checkAccess, resolveJobUser } from '../jobuser.ts';
import type { Provider } from '../provider.ts';
import { defaultLimits, type FolderPlan, type JobUser, type SupervisorLimits } from '../supervisor/plan.ts';
import { followsBuild, localShell } from '../supervisor/shell.ts';
import { placeId, slotOf } from './place.ts';

/**
 * This machine as a node, Jenkins' `node: master`: so many places for builds. Workspaces are folders; one that no node speaks of
 * is what a crash left of a release, and is cleared away when the provider opens, with whatever still runs in it.
 */

export interface LocalOptions {
  /** Folder of the workspaces. The job's user must be able to reach it. */
  readonly root: string;
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
}

/** The shells of this machine's places: also in a process that is not the launcher. */
export interface LocalShells {
  shellOf(slot: number): Shell;
  /** True when jobs run as ourselves: worth a loud sentence at start. */
  readonly sameUser: boolean;
}

/** Throws Fault `job-user` when jobs would run as the wrong user. */
export async function openLocalShells(options: LocalOptions): Promise<LocalShells> {
  const users = await usersOf(options);
  await mkdir(options.root, { recursive: true, mode: 0o711 });
  await chmod(options.root, 0o711);
  for (const user of users) await checkAccess(user, options.root, options.secret ?? []);
  const planFor = (slot: number): FolderPlan => ({
    limits: { ...defaultLimits, ...options.limits },
    user: users[slot % Math.max(1, users.length)],
    exclusive: options.dedicatedUsers === true && users.length >= options.maxParallelJobs,
    noNewPrivileges: options.noNewPrivileges ?? true,
    environment: options.environment ?? {},
  });
  return {
    sameUser: users.length === 0,
    shellOf: (slot) => localShell(options.root, planFor(slot)),
  };
}

/** Clears what no node of `builds` speaks of, and offers the places. */
export async function openLocalProvider(
  options: LocalOptions,
  shells: LocalShells,
  builds: ReadonlySet<string>,
): Promise<Provider> {
  const name = options.name ?? 'local';
  await clearOrphans(options.root, builds, shells.shellOf(0));
  const places = Array.from({ length: options.maxParallelJobs }, (_, slot) => ({
    id: placeId(name, slot),
    host: name,
    labels: options.labels,
  }));
  return {
    name,
    driver: 'local',
    places,
    create: (order) =>
      Promise.resolve({
        kind: 'created',
        machine: { id: order.place ?? name, node: order.node, state: 'active' },
      }),
    list: () => Promise.resolve({ kind: 'listed', machines: [] }),
    async delete(of, signal) {
      if (of.build === undefined) return { kind: 'gone' };
      try {
        await shells.shellOf(slotOf(of.id ?? '')).forget(of.build, signal);
        return { kind: 'gone' };
      } catch (caught) {
        signal.throwIfAborted();
        const fault = asFault(caught);
        const reason = fault.hint === undefined ? fault.message : `${fault.message}. ${fault.hint}`;
        return { kind: 'transient', reason };
      }
    },
    probe: () => Promise.resolve({ kind: 'probed', capacity: {}, zones: [], kinds: {} }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** What the launcher must know of it. */
export function localConfig(name = 'local'): ProviderConfig {
  return {
    name,
    family: name,
    driver: 'local',
    priority: 100,
    limits: {},
    concurrency: Number.POSITIVE_INFINITY,
    rate: 0,
    // Processes that do not end within their grace are killed, and a large workspace takes its time.
    apiTimeout: 10 * 60_000,
    bootTimeout: 60_000,
    launchTimeout: 60_000,
    launchRetries: 3,
    zones: [],
    kinds: new Map(),
    hosts: new Map(),
    given: { driver: 'local' },
  };
}

/** The users of jobs; none: they run as ourselves, which is allowed. Throws Fault `job-user`. */
export async function usersOf(options: Pick<LocalOptions, 'users' | 'allowSameUser'>): Promise<JobUser[]> {
  const named = options.users ?? [];
  const wanted = named.length === 0 ? [undefined] : named;
  const users: JobUser[] = [];
  for (const user of wanted) {
    const found = await resolveJobUser({ user, allowSameUser: options.allowSameUser });
    if (found !== undefined) users.push(found);
  }
  return users;
}

/** Folders of builds that no node has, and halves of folders: a crash left them. */
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
