import { type Build, type Item, subjectName } from '../pipelines/item.ts';
import { own } from '../pipelines/own.ts';
import type { History, LedgerEntry } from '../pipelines/ports.ts';
import type { World } from '../pipelines/world.ts';
import type { BuildView, RunView } from '../server/contract.ts';
import type { LiveBuild } from '../server/ports.ts';

/** The world as the door shows it. Read only: the world is the one of the last commit. */

/** Builds that wait or run now. */
export function liveBuilds(world: World): readonly LiveBuild[] {
  const known = lives.get(world);
  if (known !== undefined) return known;
  const builds = [...world.tables.items.values()].flatMap((item) => buildsOf(world, item));
  lives.set(world, builds);
  return builds;
}

/** A world is a value: what it shows is made once, however many ask. */
const lives = new WeakMap<World, readonly LiveBuild[]>();

function buildsOf(world: World, item: Item): LiveBuild[] {
  return Object.values(item.set.builds).flatMap((build) => {
    if (build.phase === 'done') return [];
    const { subject } = item;
    const branch = subject.kind === 'change' ? { branch: subject.branch } : {};
    return [
      { build: buildView(world, item, build), logPath: build.logPath, number: build.number, ...branch },
    ];
  });
}

function buildView(world: World, item: Item, build: Exclude<Build, { phase: 'done' }>): BuildView {
  const { subject } = item;
  const running = build.phase === 'running' ? build : undefined;
  return {
    uuid: build.uuid,
    job: build.job,
    pipeline: item.pipeline,
    project: subject.project,
    change: subject.kind === 'change' ? subjectName(subject) : null,
    ref: subject.kind === 'ref' ? subject.ref : null,
    voting: own(world.config?.layout.jobs, build.job)?.voting ?? true,
    result: null,
    detail: null,
    state: running === undefined ? 'waiting' : 'running',
    node: running?.node ?? null,
    queuedAt: build.launchedAt,
    startedAt: running?.startedAt ?? null,
    finishedAt: null,
    url: running?.url ?? null,
  };
}

const RECENT = 200;

/**
 * What became of a person's run: waiting in the inbox, asked about its change, an item of the world, or history. Undefined
 * when nobody asked for it.
 */
export async function runView(
  id: string,
  world: World | undefined,
  history: Pick<History, 'ledger' | 'items' | 'build'>,
  finished: (uuid: string) => Promise<BuildView>,
  why: (build: LiveBuild) => Promise<string | null>,
): Promise<RunView | undefined> {
  const asked = (await history.ledger({ kind: 'RunRequested', limit: RECENT })).find(
    (entry) => entry.key === `request/${id}`,
  );
  if (asked === undefined) return undefined;
  if (asked.usedAt === undefined || world === undefined)
    return { id, state: 'accepted', why: null, builds: [] };
  const item = [...world.tables.items.values()].find((candidate) => candidate.run?.request === id);
  if (item !== undefined) return liveRun(id, world, item, why);
  const past = (await history.items({ pipeline: 'run', limit: RECENT }))
    .map((row) => row.value)
    .find((value) => requestOf(value) === id);
  if (past !== undefined)
    return {
      id,
      state: 'finished',
      why: detailOf(past),
      builds: await Promise.all(uuidsOf(past).map(finished)),
    };
  if (stillAsked(world, id)) return { id, state: 'accepted', why: null, builds: [] };
  return { id, state: 'refused', why: await refusal(asked, history), builds: [] };
}

async function liveRun(
  id: string,
  world: World,
  item: Item,
  why: (build: LiveBuild) => Promise<string | null>,
): Promise<RunView> {
  const builds = buildsOf(world, item);
  const [first] = builds;
  const running = builds.some(({ build }) => build.state === 'running');
  const reason = first === undefined || running ? null : await why(first);
  return {
    id,
    state: running ? 'running' : 'waiting',
    why: reason,
    builds: builds.map(({ build }) => build),
  };
}

/** Its change is being asked about. */
function stillAsked(world: World, id: string): boolean {
  const isIt = (errand: { kind: string }) => 'request' in errand && errand.request === id;
  return [...world.tables.fetches.values()].some(({ asked, later }) => asked.some(isIt) || later.some(isIt));
}

/** The note of the request itself, or of the answer about its change. */
async function refusal(asked: LedgerEntry, history: Pick<History, 'ledger'>): Promise<string> {
  if (asked.note?.startsWith('refused') === true) return asked.note.replace(/^refused: /, '');
  const answers = await history.ledger({ kind: 'ChangeFetched', since: asked.filedAt, limit: RECENT });
  return answers.at(-1)?.note ?? asked.note ?? 'nothing came of it';
}

function requestOf(value: unknown): string | undefined {
  return field(value, 'request');
}

function detailOf(value: unknown): string | null {
  return field(value, 'detail') ?? null;
}

function field(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const found: unknown = Reflect.get(value, name);
  return typeof found === 'string' ? found : undefined;
}

function uuidsOf(value: unknown): string[] {
  const builds: unknown =
    typeof value === 'object' && value !== null ? Reflect.get(value, 'builds') : undefined;
  return Array.isArray(builds) ? builds.flatMap((build) => field(build, 'uuid') ?? []) : [];
}
