import { z } from 'zod';
import type { HistoryQuery, HistoryRow } from '../pipelines/ports.ts';
import type { BuildPage, BuildQuery, BuildView } from './contract.ts';
import type { LiveBuild, ServerPorts } from './ports.ts';
import { Refusal } from './problem.ts';

/** Builds of now and of the past, as one list. */

type Sources = Pick<ServerPorts, 'history' | 'live'>;

/** What the kernel writes into the history of builds (pipelines/history.ts). */
const StoredBuild = z.object({
  uuid: z.string(),
  job: z.string(),
  pipeline: z.string(),
  project: z.string().nullish(),
  change: z.string().nullish(),
  gitRef: z.string().nullish(),
  voting: z.boolean().default(true),
  result: z.string(),
  detail: z.string().nullish(),
  node: z.string().nullish(),
  launchedAt: z.number().nullish(),
  startedAt: z.number().nullish(),
  finishedAt: z.number().nullish(),
  url: z.string().nullish(),
  logPath: z.string().nullish(),
  branch: z.string().nullish(),
  number: z.number().nullish(),
});

export interface KnownBuild {
  readonly build: BuildView;
  readonly logPath: string | undefined;
  readonly branch?: string | undefined;
  /** Per job, from 1. */
  readonly number?: number | undefined;
}

/** By uuid, or by the beginning of one that only one build has. */
export async function findBuild(sources: Sources, uuid: string): Promise<KnownBuild> {
  const [live, past] = await Promise.all([sources.live(), sources.history.build(uuid)]);
  const running = live.filter(({ build }) => build.uuid.startsWith(uuid));
  const uuids = new Set(running.map(({ build }) => build.uuid));
  if (past.kind === 'found') uuids.add(buildOf(past.row).build.uuid);
  if (past.kind === 'ambiguous') for (const other of past.uuids) uuids.add(other);
  if (uuids.size > 1) {
    throw new Refusal(409, 'ambiguous', `${uuids.size} builds begin with ${uuid}`, 'give more of the uuid');
  }
  const [found] = running;
  // What is finished is finished, even where the world is a moment behind.
  if (past.kind === 'found') return buildOf(past.row);
  if (found !== undefined) return found;
  throw new Refusal(404, 'no-such-build', `there is no build ${uuid}`);
}

/**
 * One page, newest first: what waits or runs stands before what is finished. The history pages by time alone, and many
 * builds may end in one millisecond; so the cursor also says how many of that millisecond were shown already.
 */
export async function listBuilds(sources: Sources, query: BuildQuery): Promise<BuildPage> {
  const { limit, cursor, ...wanted } = query;
  const { at, shown } = cursorOf(cursor);
  const rows = await sources.history.builds({
    ...given(wanted),
    limit: limit + shown + 1,
    ...(at === undefined ? {} : { before: at + 1 }),
  });
  const rest = rows.slice(shown);
  const kept = rest.slice(0, limit);
  const builds = kept.map((row) => buildOf(row).build);
  const now = cursor === undefined ? (await sources.live()).filter(matches(wanted)) : [];
  const finished = new Set(builds.map((build) => build.uuid));
  const live = now.map(({ build }) => build).filter((build) => !finished.has(build.uuid));
  const last = kept.at(-1);
  const next =
    rest.length > limit && last !== undefined
      ? `${last.at}-${kept.filter((row) => row.at === last.at).length + (last.at === at ? shown : 0)}`
      : null;
  return { builds: [...live, ...builds], next };
}

/** Without what is not said: an absent key and an undefined one are not the same to a port. */
function given(wanted: Omit<BuildQuery, 'limit' | 'cursor'>): Omit<HistoryQuery, 'limit'> {
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
}

function cursorOf(cursor: string | undefined): { at: number | undefined; shown: number } {
  if (cursor === undefined) return { at: undefined, shown: 0 };
  const match = /^(\d{1,15})-(\d{1,6})$/.exec(cursor);
  if (match === null) throw new Refusal(400, 'invalid-request', 'cursor is not one of ours');
  return { at: Number(match[1]), shown: Number(match[2]) };
}

function matches(wanted: Omit<BuildQuery, 'limit' | 'cursor'>): (live: LiveBuild) => boolean {
  return ({ build }) =>
    (wanted.job === undefined || wanted.job === build.job) &&
    (wanted.project === undefined || wanted.project === build.project) &&
    (wanted.pipeline === undefined || wanted.pipeline === build.pipeline) &&
    (wanted.result === undefined || wanted.result === build.result) &&
    (wanted.change === undefined ||
      wanted.change === build.change ||
      build.change?.startsWith(`${wanted.change},`) === true);
}

export function buildOf(row: HistoryRow): KnownBuild {
  const stored = StoredBuild.parse(row.value);
  const build: BuildView = {
    uuid: stored.uuid,
    job: stored.job,
    pipeline: stored.pipeline,
    project: stored.project ?? '',
    change: stored.change ?? null,
    ref: stored.gitRef ?? null,
    voting: stored.voting,
    result: stored.result,
    detail: stored.detail ?? null,
    state: stored.result === 'CANCELED' ? 'canceled' : 'finished',
    node: stored.node ?? null,
    queuedAt: stored.launchedAt ?? null,
    startedAt: stored.startedAt ?? null,
    finishedAt: stored.finishedAt ?? row.at,
    url: stored.url ?? null,
  };
  return {
    build,
    logPath: stored.logPath ?? undefined,
    branch: stored.branch ?? undefined,
    number: stored.number ?? undefined,
  };
}
