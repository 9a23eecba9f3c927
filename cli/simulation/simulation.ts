import { isDeepStrictEqual } from 'node:util';
import type { Action, ActionOf, StopReason } from '../../pipelines/action.ts';
import type { Fact, GerritEvent } from '../../pipelines/event.ts';
import type { Layout } from '../../pipelines/layout.ts';
import type { Row, SiteConfig } from '../../pipelines/ports.ts';
import { nextAlarm, step } from '../../pipelines/step.ts';
import { emptyWorld, type World } from '../../pipelines/world.ts';
import { toFact } from '../../workers/gerrit/event.ts';
import { type SimulatedNodes, simulatedNodes, sizeOf } from './nodes.ts';
import { type SimulatedReview, sha, simulatedReview } from './review.ts';

/**
 * The real kernel in a world of virtual time: recorded events come in at their own time, looks at changes and merges are
 * answered at once, builds take as long as they are told to, and nothing waits but for nodes. What our own account did in
 * the record is left out: the simulation reports, votes and merges by itself.
 */
export interface Simulation {
  /** A line of stream-events; `ours`: our own doing, left out. */
  event(line: string): 'taken' | 'ours' | 'no event';
  /** Lets what is under way come to its end; no timer fires any more. */
  finish(): void;
  readonly moments: readonly Moment[];
  readonly samples: readonly Sample[];
  /** Finished builds and items, as the kernel's history has them. */
  readonly history: readonly Row[];
}

export interface SimulationSettings {
  readonly config: SiteConfig;
  readonly connection: string;
  /** Our own username on Gerrit. */
  readonly user: string;
  /** Undefined: as many as are wanted. */
  readonly nodes: number | undefined;
  /** ms */
  readonly duration: (job: string) => number;
  /** `run`: how often this job ran for this subject before. */
  readonly result: (job: string, subject: string, run: number) => string;
}

/** What happened at a time, in ms. */
export type Moment =
  | {
      readonly at: number;
      readonly what: 'event';
      readonly type: string;
      readonly project: string;
      readonly subject: string;
      readonly by: string;
      readonly note: string;
    }
  | {
      readonly at: number;
      readonly what: 'launch';
      readonly pipeline: string;
      readonly job: string;
      readonly subject: string;
      readonly nodes: number;
      /** ms until it got its nodes. */
      readonly waited: number;
    }
  | {
      readonly at: number;
      readonly what: 'end';
      readonly pipeline: string;
      readonly job: string;
      readonly subject: string;
      readonly result: string;
      readonly took: number;
      readonly nodes: number;
    }
  | {
      readonly at: number;
      readonly what: 'report';
      readonly pipeline: string;
      readonly subject: string;
      readonly phase: string;
      readonly votes: Readonly<Record<string, number>>;
      readonly merged: boolean;
    }
  | { readonly at: number; readonly what: 'refused'; readonly job: string; readonly reason: string };

export interface Sample {
  readonly at: number;
  readonly nodes: number;
  /** Builds that wait for nodes. */
  readonly waiting: number;
  /** Live items per pipeline that has any. */
  readonly queues: Readonly<Record<string, number>>;
}

interface Running {
  readonly action: ActionOf<'build'>;
  readonly subject: string;
  readonly nodes: number;
  readonly startedAt: number;
  readonly endsAt: number;
}

interface State extends SimulationSettings {
  readonly review: SimulatedReview;
  readonly pool: SimulatedNodes;
  world: World;
  now: number;
  readonly facts: Fact[];
  readonly running: Map<string, Running>;
  /** Nodes and waits of builds that were sent but have not begun. */
  readonly leased: Map<string, { readonly nodes: number; readonly waited: number }>;
  readonly runs: Map<string, number>;
  /** The last event about a change, until it is judged. */
  readonly asked: Map<string, GerritEvent>;
  readonly moments: Moment[];
  readonly samples: Sample[];
  readonly history: Row[];
}

const SITE = '51a7e51a7e51a7e0';

export function openSimulation(settings: SimulationSettings): Simulation {
  const { config, connection, user, nodes } = settings;
  let state: State | undefined;
  let last = 0;

  /** Time begins with the first event. */
  function begin(now: number): State {
    const fresh: State = {
      ...settings,
      review: simulatedReview(connection, user, config.layout.dialect === 'stackgate'),
      pool: simulatedNodes(nodes),
      world: emptyWorld(SITE),
      now,
      facts: [],
      running: new Map(),
      leased: new Map(),
      runs: new Map(),
      asked: new Map(),
      moments,
      samples,
      history,
    };
    take(fresh, { kind: 'Configured', at: now, digest: config.digest }, config);
    return fresh;
  }
  const moments: Moment[] = [];
  const samples: Sample[] = [];
  const history: Row[] = [];

  return {
    moments,
    samples,
    history,
    event(line) {
      const read = toFact(line, connection, last);
      if (read === undefined) return 'no event';
      last = Math.max(last, (read.createdOn ?? 0) * 1000);
      const event = { ...read, at: last };
      if (event.account?.username === user) return 'ours';
      state ??= begin(last);
      advance(state, last, true);
      state.review.learn(line, event);
      state.facts.push(event);
      settle(state);
      return 'taken';
    },
    finish() {
      if (state !== undefined) advance(state, Number.POSITIVE_INFINITY, false);
    },
  };
}

/** Everything that is due until then, in its order. */
function advance(state: State, until: number, timers: boolean): void {
  while (true) {
    const end = nextEnd(state);
    const alarm = timers ? nextAlarm(state.world) : undefined;
    const due = Math.min(end?.endsAt ?? Number.POSITIVE_INFINITY, alarm ?? Number.POSITIVE_INFINITY);
    if (due > until || due === Number.POSITIVE_INFINITY) break;
    state.now = Math.max(state.now, due);
    if (end !== undefined && end.endsAt === due) endBuild(state, end);
    else state.facts.push({ kind: 'Tick', at: due });
    settle(state);
  }
  if (until !== Number.POSITIVE_INFINITY) state.now = Math.max(state.now, until);
}

function nextEnd({ running }: State): Running | undefined {
  let next: Running | undefined;
  for (const build of running.values()) if (next === undefined || build.endsAt < next.endsAt) next = build;
  return next;
}

function endBuild(state: State, { action, subject, nodes, startedAt }: Running): void {
  const { id, job, pipeline } = action;
  state.running.delete(id);
  const key = `${job} ${subject}`;
  const run = state.runs.get(key) ?? 0;
  state.runs.set(key, run + 1);
  const result = state.result(job, subject, run);
  const took = state.now - startedAt;
  state.moments.push({ at: state.now, what: 'end', pipeline, job, subject, result, took, nodes });
  const outcome = { kind: 'finished' as const, result, url: '', startedAt, finishedAt: state.now };
  state.facts.push({ kind: 'BuildFinished', at: state.now, action: id, outcome });
}

/** Gives the kernel every fact there is, and does what it asks for, until nothing follows any more. */
function settle(state: State): void {
  while (true) {
    for (let fact = state.facts.shift(); fact !== undefined; fact = state.facts.shift()) take(state, fact);
    const granted = state.pool.grant(state.now);
    if (granted.length === 0) break;
    for (const answer of granted) {
      const { action } = answer;
      if (answer.kind === 'refused') {
        const { reason } = answer;
        state.moments.push({ at: state.now, what: 'refused', job: action.job, reason });
        const outcome = { kind: 'refused' as const, reason };
        state.facts.push({ kind: 'NodesAnswered', at: state.now, action: action.id, outcome });
        continue;
      }
      const nodes = sizeOf(action);
      state.leased.set(action.build, { nodes, waited: answer.waited });
      const outcome = { kind: 'granted' as const, lease: answer.lease, nodes: [] };
      state.facts.push({ kind: 'NodesAnswered', at: state.now, action: action.id, outcome });
    }
  }
  sample(state);
}

function take(state: State, fact: Fact, config?: SiteConfig): void {
  const result = step(state.world, fact, config);
  state.world = result.world;
  state.history.push(...result.history);
  noteEvent(state, fact, result.note, result.actions);
  for (const action of result.actions) act(state, action);
}

/** An event is told with what came of it: at once, or when its change was looked at. */
function noteEvent(state: State, fact: Fact, note: string, actions: readonly Action[]): void {
  if (fact.kind === 'Tick' && note !== 'nothing is due')
    state.moments.push({ ...untold, at: state.now, type: 'timer', note });
  if (fact.kind === 'GerritEvent') {
    if (note.startsWith('asked about')) state.asked.set(fact.number ?? '', fact);
    else if (actions.length > 0 || note !== 'no pipeline wants it')
      state.moments.push(eventMoment(fact, state.now, note));
  }
  if (fact.kind !== 'ChangeFetched') return;
  const number = fact.outcome.kind === 'found' ? fact.outcome.change.number : undefined;
  const event = number === undefined ? undefined : state.asked.get(number);
  if (event === undefined || number === undefined) return;
  state.asked.delete(number);
  if (note !== 'no pipeline wants it') state.moments.push(eventMoment(event, state.now, note));
}

const untold = { what: 'event', project: '', subject: '', by: '' } as const;

function eventMoment(event: GerritEvent, at: number, note: string): Moment {
  const { type, number, patchset, ref, project = '', account } = event;
  const subject = number === undefined ? (ref ?? '') : `${number},${patchset ?? ''}`;
  return { at, what: 'event', type, project, subject, by: account?.username ?? account?.name ?? '', note };
}

function act(state: State, action: Action): void {
  const at = state.now;
  switch (action.kind) {
    case 'fetch':
      state.facts.push({
        kind: 'ChangeFetched',
        at,
        action: action.id,
        outcome: state.review.fetch(action, at),
      });
      return;
    case 'merge': {
      const names = action.stack.map(({ number, patchset }) => `${number},${patchset}`).join(' ');
      const bases = action.stack.map(({ project, branch }) => ({ project, branch, commit: sha(branch) }));
      const outcome = { kind: 'merged' as const, commit: sha(names), url: '', bases };
      state.facts.push({ kind: 'MergeFinished', at, action: action.id, outcome });
      return;
    }
    case 'acquire':
      state.pool.request(action, at);
      return;
    case 'build':
      launch(state, action);
      return;
    case 'cancel':
      cancel(state, action.target, action.reason);
      return;
    case 'release':
      state.pool.release(action.lease);
      return;
    case 'report':
      post(state, action);
      return;
    case 'mail':
      return;
  }
  return action satisfies never;
}

function launch(state: State, action: ActionOf<'build'>): void {
  const at = state.now;
  const { id, job, pipeline, params } = action;
  const { nodes, waited } = state.leased.get(id) ?? { nodes: 1, waited: 0 };
  state.leased.delete(id);
  const ids = params['ZUUL_CHANGE_IDS']?.split(' ').at(-1);
  const subject = ids ?? params['ZUUL_REFNAME'] ?? action.project;
  state.running.set(id, { action, subject, nodes, startedAt: at, endsAt: at + state.duration(job) });
  state.moments.push({ at, what: 'launch', pipeline, job, subject, nodes, waited });
  state.facts.push({ kind: 'BuildStarted', at, action: id, node: 'simulated', url: '' });
}

function cancel(state: State, target: string, reason: StopReason): void {
  state.pool.withdraw(target);
  if (target.startsWith('acquire-')) state.pool.release(`lease-${target}`);
  const build = state.running.get(target);
  if (build === undefined) return;
  state.running.delete(target);
  const { action, subject, nodes, startedAt } = build;
  const { job, pipeline } = action;
  const took = state.now - startedAt;
  const result = `CANCELED (${reason})`;
  state.moments.push({ at: state.now, what: 'end', pipeline, job, subject, result, took, nodes });
}

function post(state: State, action: ActionOf<'report'>): void {
  const at = state.now;
  const { pipeline, number, patchset, phase, labels: votes, submit } = action;
  const { merged, events } = state.review.report(action, at);
  const subject = `${number},${patchset}`;
  state.moments.push({ at, what: 'report', pipeline, subject, phase, votes, merged });
  const outcome = { kind: 'posted' as const, ...(submit ? { merged } : {}) };
  state.facts.push({ kind: 'Reported', at, action: action.id, outcome }, ...events);
}

/** The state after a moment; the last one of a time counts. */
function sample(state: State): void {
  const queues: Record<string, number> = {};
  for (const { live, pipeline } of state.world.tables.items.values())
    if (live) queues[pipeline] = (queues[pipeline] ?? 0) + 1;
  const next = { at: state.now, nodes: state.pool.used(), waiting: state.pool.waiting(), queues };
  const before = state.samples.at(-1);
  if (before !== undefined && isDeepStrictEqual({ ...before, at: next.at }, next)) return;
  if (before?.at === next.at) state.samples.pop();
  state.samples.push(next);
}

/**
 * The layout without what looks at files: stream events do not name them, and a job that looks at files would never run. A
 * skip-if that looks at files never skips.
 */
export function withoutFileFilters(layout: Layout): Layout {
  const jobs = Object.entries(layout.jobs).map(([name, job]) => {
    const skipIf = job.skipIf.filter(({ allFilesMatchAny }) => allFilesMatchAny.length === 0);
    return [name, { ...job, files: [], irrelevantFiles: [], skipIf }] as const;
  });
  return { ...layout, jobs: Object.fromEntries(jobs) };
}
