import { join } from 'node:path';
import type { Logger } from 'pino';
import { JobDefinition } from '../jobs/definition.ts';
import { type LocalPool, openLocalPool } from '../nodepool/providers/local.ts';
import { own } from '../pipelines/own.ts';
import type { SiteConfig } from '../pipelines/ports.ts';
import { crashpoint } from '../workers/crashpoint.ts';
import { executor } from '../workers/executor.ts';
import { type GitBridge, openGitBridge } from '../workers/gerrit/bridge.ts';
import { overSsh } from '../workers/gerrit/overssh.ts';
import { GerritSettings } from '../workers/gerrit/settings.ts';
import { gerritReview } from '../workers/gerrit/source.ts';
import { stagedFor } from '../workers/git/staged.ts';
import { type HandOptions, handle } from '../workers/handle.ts';
import { type GerritConnection, openConnection } from '../workers/intake.ts';
import { directorySite } from '../workers/logs/site.ts';
import { createMerger, type GitMerger } from '../workers/merger.ts';
import { acquirer, releaser } from '../workers/nodes.ts';
import { fetchHand, mailHand, type Reviews, reportHand, SmtpSettings } from '../workers/reporter.ts';
import type { Core } from './core.ts';
import type { LocalNodes, Site } from './site.ts';

/** The hands of this process: everything an action can ask for, wired to what does it. */
export interface Hands {
  readonly connections: readonly GerritConnection[];
  readonly reviews: Reviews;
  readonly merger: GitMerger;
  readonly pool: LocalPool;
  /** Starts taking actions. */
  work(): Promise<void>;
  close(): Promise<void>;
}

export interface HandsSettings {
  readonly data: string;
  readonly gerrits: readonly GerritSettings[];
  readonly smtp: ReadonlyMap<string, SmtpSettings>;
  readonly local: LocalNodes;
  readonly maxConsole: number;
  /** Base address of this process for nodes and readers; known once the door listens. */
  readonly gitUrl: () => string;
  readonly logUrl: string;
}

export async function openHands(settings: HandsSettings, core: Core, log: Logger): Promise<Hands> {
  const { data } = settings;
  const { store, queue } = core;
  const clock = { now: Date.now };
  // First, because it may refuse, and then nothing else is open yet.
  const pool = await openNodes(settings);
  if (pool.sameUser) log.warn('jobs run as our own user: a patch could read the keys of this CI');
  const connections = settings.gerrits.map((gerrit) => openConnection(gerrit));
  const bridges = new Map<string, GitBridge>();
  for (const { settings: gerrit, commands } of connections) {
    bridges.set(gerrit.connection, await openGitBridge((command, env) => commands.channel(command, env)));
  }
  const merger = createMerger({
    dir: join(data, 'git'),
    sources: Object.fromEntries(
      [...bridges].map(([name, bridge]) => [
        name,
        { url: (project: string) => bridge.url(project), env: {} },
      ]),
    ),
    url: settings.gitUrl,
    warn: (message) => log.warn({ part: 'merger' }, message),
  });
  const reviews = new Map(
    connections.map(({ settings: gerrit, commands }) => [
      gerrit.connection,
      gerritReview(gerrit, overSsh(commands, gerrit), store),
    ]),
  );
  const build = executor({
    store,
    clock,
    site: directorySite({ directory: join(data, 'logs'), url: settings.logUrl }),
    definition: definitions(core),
    shellOf: (lease) => pool.shellOf(lease),
    repositories: (action, signal) => stagedFor(action.params, merger.locate, signal),
    consoleLimit: settings.maxConsole,
  });
  const options: HandOptions = {
    store,
    queue,
    clock,
    log: ({ kind, action, error }) =>
      log.warn({ action, code: error.code, hint: error.hint }, `${kind}: ${error.message}`),
  };
  return {
    connections,
    reviews,
    merger,
    pool,
    async work() {
      await handle(options, 'fetch', fetchHand(reviews), { concurrency: 8 });
      await handle(options, 'merge', (action, signal) => merger.merge(action, signal), { concurrency: 4 });
      await handle(options, 'acquire', acquirer(pool), { concurrency: 1000 });
      await handle(options, 'build', build, { concurrency: settings.local['max-parallel-jobs'] });
      await handle(options, 'release', releaser(pool, store), { concurrency: 64 });
      await handle(options, 'report', reportHand(reviews), { concurrency: 4 });
      await handle(options, 'mail', mailHand(settings.smtp, store, core.site), { concurrency: 2 });
    },
    async close() {
      // Nobody takes an action any more before what does it goes away.
      await queue[Symbol.asyncDispose]();
      await merger[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
      for (const bridge of bridges.values()) await bridge[Symbol.asyncDispose]();
      for (const connection of connections) await connection[Symbol.asyncDispose]();
    },
  };
}

/** Job definitions by configuration; builds of one item ask for the same one. */
function definitions(core: Core): (digest: string, job: string) => Promise<JobDefinition | undefined> {
  let known: { readonly digest: string; readonly config: Promise<SiteConfig | undefined> } | undefined;
  return async (digest, job) => {
    if (known?.digest !== digest) known = { digest, config: core.store.config(digest) };
    return JobDefinition.safeParse(own((await known.config)?.jobs, job)).data;
  };
}

function openNodes({ local, data, maxConsole }: HandsSettings): Promise<LocalPool> {
  return openLocalPool({
    root: join(data, 'builds'),
    leases: join(data, 'leases'),
    maxParallelJobs: local['max-parallel-jobs'],
    labels: local.labels,
    users: local.user === undefined ? undefined : [local.user].flat(),
    allowSameUser: local['allow-same-user'],
    noNewPrivileges: !local.sudo,
    // What a patch must never read: the keys, the tokens, everybody's repositories.
    secret: [join(data, 'database'), join(data, 'git'), join(data, 'token')],
    limits: { output: maxConsole },
    clock: { now: Date.now },
    passed: crashpoint,
  });
}

/** Connections of the site file, as the hands take them. */
export function gerritSettings(site: Site, path: (text: string) => string): GerritSettings[] {
  return Object.entries(site.connections).flatMap(([connection, given]) => {
    if (given.driver !== 'gerrit') return [];
    return [
      GerritSettings.parse({
        connection,
        host: given.host,
        port: given.port,
        user: given.user,
        keyFile: path(given.key),
        hostKeys: [given['host-key']].flat().join('\n'),
        ...(given.name === undefined ? {} : { fullName: given.name }),
        keepalive: given.keepalive,
        probeInterval: given['silence-limit'],
        reconcileInterval: given['reconcile-every'],
        lookBack: given['look-back'],
        readBack: given['read-back'],
      }),
    ];
  });
}

export function smtpSettings(site: Site): Map<string, SmtpSettings> {
  const found = new Map<string, SmtpSettings>();
  for (const [connection, given] of Object.entries(site.connections)) {
    if (given.driver !== 'smtp') continue;
    const { server, port, 'default-from': defaultFrom, 'default-to': defaultTo } = given;
    found.set(connection, SmtpSettings.parse({ connection, server, port, defaultFrom, defaultTo }));
  }
  return found;
}
