import { createHash } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ChangeFetched } from '../pipelines/event.ts';
import type { SiteConfig } from '../pipelines/ports.ts';
import { statusOf } from '../pipelines/status.ts';
import { nextAlarm, step } from '../pipelines/step.ts';
import { digestOf, emptyWorld, type World, worldFrom } from '../pipelines/world.ts';
import { findBuild } from '../server/builds.ts';
import type { ChangeLook, Probe, ServerPorts } from '../server/ports.ts';
import { dispatcher } from '../workers/dispatch.ts';
import { ledgerOver } from '../workers/gerrit/ledger.ts';
import { createGitDoor } from '../workers/git/serve.ts';
import { type Intake, openIntake } from '../workers/intake.ts';
import { followConsole } from '../workers/logs/live.ts';
import { keepProblem, sweepLogs } from '../workers/logs/retention.ts';
import type { Reviews } from '../workers/reporter.ts';
import type { Part } from '../workers/runtime.ts';
import { runScheduler } from '../workers/scheduler.ts';
import { type Core, openCore } from './core.ts';
import { type Door, openDoor, siteToken } from './door.ts';
import { gerritSettings, type Hands, openHands, smtpSettings } from './hands.ts';
import { type Site, sitePath } from './site.ts';
import { liveBuilds, runView } from './views.ts';

/**
 * The only place that wires rooms together. Parts start in this order and stop in the opposite one; each stands on those
 * before it. What a part gives to later ones lies in `made`, empty until it started.
 */
export interface Composition {
  readonly parts: readonly Part[];
  /** Puts a validated configuration in force; the one in force is no change. */
  configure(config: SiteConfig): Promise<boolean>;
}

interface Made {
  core?: Core;
  hands?: Hands;
  door?: Door;
  world?: World;
  leading: boolean;
  readonly intakes: Intake[];
}

const HOUR = 3_600_000;

export function compose(
  site: Site,
  base: string,
  first: SiteConfig,
  version: string,
  log: Logger,
): Composition {
  const data = sitePath(base, site.data);
  const made: Made = { leading: false, intakes: [] };
  const core = () => must(made.core, 'database');
  let wanted = first;

  /** What the kernel must know of this process: settings are part of the configuration it plans by. */
  function placed(config: SiteConfig): SiteConfig {
    const accounts = Object.fromEntries(
      gerritSettings(site, String).map(({ connection, user }) => [connection, [user]]),
    );
    const door = must(made.door, 'door').url;
    const settings = {
      accounts,
      gitUrl: `${door}p`,
      statusUrl: publicUrl(),
      jobNameInReport: true,
      reportTimes: true,
      parameterRules: site['parameter-functions'],
    };
    const digest = createHash('sha256')
      .update(JSON.stringify([config.digest, settings]))
      .digest('hex');
    return { ...config, digest, settings };
  }

  const publicUrl = () => (site.url ?? must(made.door, 'door').url).replace(/\/*$/, '/');

  async function configure(config: SiteConfig): Promise<boolean> {
    wanted = config;
    const { store } = core();
    const full = placed(config);
    if (digestOf(await store.world()) === full.digest) return false;
    await store.saveConfig(full);
    const at = Date.now();
    await store.file([
      { key: `configured/${full.digest}/${at}`, fact: { kind: 'Configured', at, digest: full.digest } },
    ]);
    return true;
  }

  const parts: Part[] = [
    {
      name: 'database',
      async start() {
        await mkdir(data, { recursive: true, mode: 0o711 });
        // Builds run below it as other users, who may pass but not look.
        await chmod(data, 0o711);
        const opened = await openCore(data, site.database?.url, log);
        made.core = opened;
        return { close: () => opened.close() };
      },
    },
    {
      name: 'door',
      async start() {
        const door = await openDoor(await doorPorts(), site.listen, data);
        made.door = door;
        log.info({ url: door.url }, 'listening');
        return { close: () => door.close() };
      },
    },
    {
      name: 'hands',
      async start() {
        const hands = await openHands(
          {
            data,
            gerrits: gerritSettings(site, (path) => sitePath(base, path)),
            smtp: smtpSettings(site),
            local: site.nodes.local,
            maxConsole: site.logs['max-console'] * 1024 * 1024,
            gitUrl: () => `${must(made.door, 'door').url}p`,
            logUrl: `${publicUrl()}logs/`,
          },
          core(),
          log,
        );
        made.hands = hands;
        await hands.work();
        return { close: () => hands.close() };
      },
    },
    {
      name: 'scheduler',
      async start(stop) {
        const { store, queue, site: id } = core();
        const running = runScheduler(
          {
            store,
            dispatch: dispatcher(store, queue, ({ action, error }) =>
              log.warn({ action, code: error.code }, error.message),
            ),
            kernel: { emptyWorld, worldFrom, digestOf, step, nextAlarm },
            clock: { now: Date.now },
            site: id,
            onWorld: (world) => {
              made.world = world;
              made.leading = true;
            },
            log: (line) => {
              if (line.kind === 'following') made.leading = false;
              const { kind, ...rest } = line;
              log[kind === 'leading' ? 'info' : 'warn'](rest, `scheduler: ${kind}`);
            },
          },
          stop,
        );
        await configure(wanted);
        return { running };
      },
    },
    {
      name: 'intake',
      async start() {
        const { store } = core();
        const projects = () => Object.keys(made.world?.config?.layout.projects ?? wanted.layout.projects);
        for (const connection of must(made.hands, 'hands').connections) {
          made.intakes.push(
            openIntake({ connection, store, ledger: ledgerOver(store, store), projects, log }),
          );
        }
        return {
          async close() {
            await Promise.all(made.intakes.map((intake) => intake[Symbol.asyncDispose]()));
          },
        };
      },
    },
    {
      name: 'upkeep',
      async start(stop) {
        const problem = keepProblem(site.logs.keep);
        if (problem !== undefined) log.warn(problem.message);
        return { running: upkeep(core(), join(data, 'logs'), site.logs.keep, stop, log) };
      },
    },
  ];

  async function doorPorts(): Promise<ServerPorts> {
    const { store, queue } = core();
    const live = () => (made.world === undefined ? [] : liveBuilds(made.world));
    const waiting = async () => new Map((await made.hands?.pool.waiting())?.map(({ id, why }) => [id, why]));
    return {
      version,
      status: (now) => statusOf(made.world ?? emptyWorld(core().site), now, version),
      history: store,
      live,
      run: (id) =>
        runView(
          id,
          made.world,
          store,
          async (uuid) => (await findBuild({ live, history: store }, uuid)).build,
          async ({ build }) => (await waiting()).get(`acquire-${build.uuid}`) ?? null,
        ),
      config: () => made.world?.config,
      look: (of, signal) => lookAt(made.hands?.reviews, of, signal),
      file: (facts) => store.file(facts),
      probes: probes(made),
      logs: { root: join(data, 'logs'), follow: followConsole },
      metrics: metrics(made, () => queue.counts()),
      git: createGitDoor({ locate: (path) => made.hands?.merger.locate(path) }),
      tokens: [await siteToken(data)],
      now: Date.now,
      log: ({ message, error }) => log.warn({ err: error }, message),
    };
  }

  return { parts, configure };
}

/** Asked by people, so no event says how new the answer must be. */
async function lookAt(
  reviews: Reviews | undefined,
  { connection, number, patchset }: ChangeLook,
  signal: AbortSignal,
): Promise<ChangeFetched['outcome']> {
  const review = connection === undefined ? [...(reviews?.values() ?? [])][0] : reviews?.get(connection);
  if (review === undefined)
    return { kind: 'failed', reason: `the site has no connection named ${connection ?? 'gerrit'}` };
  const of = { connection: review.connection, number, ...(patchset === undefined ? {} : { patchset }) };
  return review.fetch({ kind: 'fetch', id: 'look', ...of, expect: {}, dependents: false }, signal);
}

/** Ready: the database answers, we lead with a configuration, and every Gerrit's stream is heard. */
function probes(made: Made): Readonly<Record<string, Probe>> {
  return {
    database: async () => {
      await made.core?.store.isDone('probe');
      return { ok: true, detail: 'answers' };
    },
    scheduler: async () => {
      const configured = made.world?.config !== undefined;
      if (made.leading && configured) return { ok: true, detail: 'leads' };
      return { ok: false, detail: made.leading ? 'has no configuration yet' : 'does not lead' };
    },
    gerrit: async () => {
      const deaf = made.intakes.filter((intake) => intake.state().stream.phase.kind !== 'connected');
      if (made.intakes.length === 0) return { ok: false, detail: 'not started yet' };
      if (deaf.length === 0) return { ok: true, detail: 'every event stream is connected' };
      return { ok: false, detail: `not connected: ${deaf.map(({ connection }) => connection).join(', ')}` };
    },
  };
}

function metrics(
  made: Made,
  counts: () => Promise<Readonly<Record<string, { waiting: number; running: number }>>>,
): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_pipeline_items',
    help: 'Live items by pipeline',
    labelNames: ['pipeline'],
    registers,
    collect() {
      this.reset();
      for (const item of made.world?.tables.items.values() ?? [])
        if (item.live) this.inc({ pipeline: item.pipeline });
    },
  });
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_actions',
    help: 'Actions in the work queues by kind and state',
    labelNames: ['kind', 'state'],
    registers,
    async collect() {
      for (const [kind, { waiting, running }] of Object.entries(await counts())) {
        this.set({ kind, state: 'waiting' }, waiting);
        this.set({ kind, state: 'running' }, running);
      }
    },
  });
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_gerrit_stream_connected',
    help: '1 while the event stream of a connection is heard',
    labelNames: ['connection'],
    registers,
    collect() {
      for (const intake of made.intakes)
        this.set({ connection: intake.connection }, intake.state().stream.phase.kind === 'connected' ? 1 : 0);
    },
  });
  return registry;
}

/** Forgets old logs and old rows, once an hour. */
async function upkeep(core: Core, logs: string, keep: number, stop: AbortSignal, log: Logger): Promise<void> {
  while (!stop.aborted) {
    try {
      const folders = await sweepLogs(logs, keep, Date.now(), stop);
      const rows = await core.store.prune({ facts: keep, history: keep });
      if (folders + rows > 0) log.info({ folders, rows }, 'forgot what was old');
    } catch (caught) {
      if (!stop.aborted) log.warn({ err: caught }, 'upkeep');
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, HOUR);
      stop.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }
}

function must<T>(value: T | undefined, part: string): T {
  if (value === undefined) throw new Error(`${part} did not start yet`);
  return value;
}
