import { chmod, cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Gerrit, startGerrit } from '../fakes/gerrit/server.ts';
import { type FakeSmtp, startSmtp } from '../fakes/smtp.ts';
import { freePort } from '../harness/servers.ts';
import { writeSite } from '../harness/site.ts';
import { crashJobs, crashLayout } from './layout.ts';
import type { Machines } from './machines.ts';
import { removed } from './tmp.ts';

/**
 * The site under test: one project, one job. Each build leaves marks in a folder of its own, which the judge reads: who ran,
 * on what, how often, and whether it came to its end. What a change's file `verdict` says decides how its build goes.
 */

export const PROJECT = 'org/crash';

/** ms that anything may take, a restart included. */
const DEADLINE = 120_000;

export interface CrashServers {
  readonly databaseUrl?: string;
  readonly redisUrl?: string;
}

export interface SiteOptions {
  readonly deadline?: number | undefined;
  /** Without them everything is in the process and its data directory. */
  readonly servers?: CrashServers;
  /** An empty cluster of PGlite, to be copied: making one takes four seconds. */
  readonly cluster?: string | undefined;
  /** Builds run there, instead of on this machine. */
  readonly machines?: (dir: string, marks: string) => Promise<Machines>;
}

export interface CrashSite extends AsyncDisposable {
  readonly gerrit: Gerrit;
  readonly smtp: FakeSmtp;
  readonly siteFile: string;
  readonly dir: string;
  /** `<uuid>/{what,again,after,end}` */
  readonly marks: string;
  /** ms that anything may take, a restart included; what takes longer counts as lost. */
  readonly deadline: number;
  readonly machines: Machines | undefined;
  /** Workspaces and machines that are still there. */
  left(): Promise<string[]>;
}

export async function makeCrashSite(dir: string, options: SiteOptions = {}): Promise<CrashSite> {
  await mkdir(dir, { recursive: true });
  const marks = join(dir, 'marks');
  await mkdir(marks, { recursive: true });
  await chmod(marks, 0o1777);
  const { servers = {}, cluster, deadline = DEADLINE } = options;
  if (servers.databaseUrl === undefined && cluster !== undefined) {
    await mkdir(join(dir, 'data', 'database'), { recursive: true, mode: 0o700 });
    await cp(cluster, join(dir, 'data', 'database', 'pg'), { recursive: true });
  }
  const gerrit = await startGerrit({ dir: join(dir, 'gerrit') });
  const smtp = await startSmtp();
  const machines = await options.machines?.(dir, marks);
  gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
  gerrit.account('cora', { name: 'Cora Core', email: 'cora@example.org', groups: ['Administrators'] });
  gerrit.allow({ ref: 'refs/heads/*', permission: 'submit', group: 'Service Users' });
  // What is merged never changes the verdict, so that no two changes conflict over it.
  await gerrit.createProject(PROJECT, { files: { README: 'crash\n', verdict: 'pass' } });
  const connection = { 'reconcile-every': '2s', 'silence-limit': '5s', 'look-back': '1h', 'read-back': '2s' };
  const siteFile = await writeSite({
    dir,
    gerrit,
    layout: crashLayout(PROJECT, 'crash-test'),
    jobs: crashJobs(marks, machines),
    parallel: 16,
    ...servers,
    ...(servers.databaseUrl === undefined ? {} : { listen: `127.0.0.1:${await freePort()}` }),
    connection,
    connections: `smtp: {driver: smtp, server: 127.0.0.1, port: ${smtp.port}, default-from: ci@example.org}`,
    nodepool: machines?.nodepool,
    more: [...(machines?.lines ?? []), 'roles: {lost-after: 2s}'],
  });
  const roots = [join(dir, 'data', 'builds'), ...(machines?.roots ?? [])];
  return {
    gerrit,
    smtp,
    siteFile,
    dir,
    marks,
    deadline,
    machines,
    left: async () => [
      ...(await Promise.all(roots.map(workspacesIn))).flat(),
      ...((await machines?.left()) ?? []),
    ],
    async [Symbol.asyncDispose]() {
      await gerrit[Symbol.asyncDispose]();
      await smtp[Symbol.asyncDispose]();
      await machines?.[Symbol.asyncDispose]();
      await removed(dir);
    },
  };
}

/** Of builds that run, and what a kill may have left of one that was laid down or cleared away. */
async function workspacesIn(root: string): Promise<string[]> {
  const names = await readdir(root).catch(() => []);
  return names.filter((name) => name.includes('build-')).map((name) => join(root, name));
}
