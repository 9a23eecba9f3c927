import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readPoolRows } from '../../nodepool/views.ts';
import type { ChangeFetched } from '../../pipelines/event.ts';
import { statusOf } from '../../pipelines/status.ts';
import { emptyWorld, siteRow, type World } from '../../pipelines/world.ts';
import { buildServer } from '../../server/app.ts';
import { findBuild } from '../../server/builds.ts';
import type { ChangeLook, ServerPorts } from '../../server/ports.ts';
import { buildSmallServer } from '../../server/small.ts';
import { ledgerOver } from '../../workers/gerrit/ledger.ts';
import { locateRepo } from '../../workers/git/names.ts';
import { createGitDoor, type GitDoor } from '../../workers/git/serve.ts';
import { followConsole } from '../../workers/logs/live.ts';
import { openConsoleReader } from '../../workers/logs/stream.ts';
import type { Reviews } from '../../workers/reporter.ts';
import { openDoor, siteToken } from '../door.ts';
import { estimates } from '../estimates.ts';
import { type House, logsOf, need, type PartOf } from '../house.ts';
import { siteParams } from '../secrets.ts';
import { liveBuilds, runView } from '../views.ts';
import { probes } from './health.ts';
import { metrics } from './metrics.ts';
import { poolPort } from './poolport.ts';
import { preparePort } from './preparing.ts';

/** The door for people: pages, API, logs, git. */
export const serverDoor: PartOf = (house) => ({
  name: 'door',
  async start() {
    const app = buildServer(await serverPorts(house));
    const door = await openDoor(app, house.site.listen, join(house.data, 'server.json'));
    house.made.door = door;
    house.log.info({ url: door.url }, 'listening');
    return { close: () => door.close() };
  },
});

/** The door of a process that people need not see: health, metrics and, where repositories are, git. */
export const smallDoor =
  (role: 'scheduler' | 'worker' | 'launcher'): PartOf =>
  (house) => ({
    name: 'door',
    async start() {
      const { version } = house;
      const ports = { version, probes: probes(house), metrics: metrics(house) };
      const app = buildSmallServer(role === 'worker' ? { ...ports, git: gitDoor(house) } : ports);
      const door = await openDoor(app, house.site.roles[role].listen);
      house.made.door = door;
      house.log.info({ url: door.url }, 'listening');
      return { close: () => door.close() };
    },
  });

async function serverPorts(house: House): Promise<ServerPorts> {
  const { made, version } = house;
  const { store, site } = need(house, 'core');
  const live = () => (made.world === undefined ? [] : liveBuilds(made.world));
  const waiting = async () => {
    const said = (await made.nodes?.waiting())?.map(({ id, why }): [string, string] => [id, why]);
    return said === undefined ? (await readPoolRows(need(house, 'core').records)).why : new Map(said);
  };
  const connections = Object.keys(house.site.connections).filter(
    (name) => house.site.connections[name]?.driver === 'gerrit',
  );
  const ledger = ledgerOver(store, store);
  const estimate = estimates(store, Date.now);
  return {
    version,
    status: (now) => statusOf(made.world ?? emptyWorld(site), now, version, estimate),
    estimate,
    sweeps: async (limit) =>
      (await Promise.all(connections.map((connection) => ledger.sweeps(connection, limit))))
        .flat()
        .toSorted((a, b) => b.to - a.to)
        .slice(0, limit),
    problems: () => made.read ?? { at: 0, taken: true, problems: [] },
    revision: () => revisionOf(made.world),
    history: store,
    web: fileURLToPath(new URL('../../web', import.meta.url)),
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
    look: (of, signal) => lookAt(made.gerrits?.reviews, of, signal),
    file: (facts) => store.file(facts),
    seal: (request, params) => siteParams(house, store).keep(request, params),
    ...(house.roles.has('scheduler')
      ? { reload: async (signal: AbortSignal) => made.reloads?.reload('request', signal) }
      : {}),
    probes: probes(house),
    logs: { root: logsOf(house), follow: await consoles(house) },
    metrics: metrics(house),
    git: gitDoor(house),
    pool: poolPort(house),
    prepare: () => preparePort(house),
    tokens: [
      await siteToken(house.data),
      ...Object.entries(house.site.tokens).map(([name, sha256]) => ({ name, sha256 })),
    ],
    now: Date.now,
    log: ({ message, error }) => house.log.warn({ err: error }, message),
  };
}

/** Every fact that is used brings its time; a world that is read again without one is the same. */
function revisionOf(world: World | undefined): unknown {
  return world === undefined ? undefined : `${siteRow(world.tables).now}/${world.tables.items.size}`;
}

/** Consoles as they grow, from the folder they are in or from the worker that writes them. */
async function consoles(house: House): Promise<ServerPorts['logs']['follow']> {
  const { redis } = need(house, 'core');
  if (redis === undefined) return followConsole;
  const root = logsOf(house);
  const reader = await openConsoleReader(root, redis);
  return (folder, offset, signal) => reader.follow(relative(root, folder), offset, signal);
}

/** What was merged on this data directory, whoever merged it. */
function gitDoor({ data, site }: House): GitDoor {
  const connections = Object.keys(site.connections).filter(
    (name) => site.connections[name]?.driver === 'gerrit',
  );
  return createGitDoor({ locate: (path) => locateRepo(join(data, 'git'), connections, path) });
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
