import { z } from 'zod';
import type { Action } from '../../pipelines/action.ts';
import { subjectName } from '../../pipelines/item.ts';
import { readLayout } from '../../pipelines/layout/read.ts';
import type { Layout } from '../../pipelines/layout.ts';
import type { SiteConfig } from '../../pipelines/ports.ts';
import { quirks } from '../../pipelines/quirks.ts';
import { unreachable } from '../../pipelines/unreachable.ts';
import { resultOf } from '../../pipelines/verdict.ts';
import { account, currentPatchset, mustChange } from '../harness/gerrit.ts';
import {
  amend,
  changeIdOf,
  changesOf,
  create,
  deliver,
  event,
  finish,
  openRing,
  type Ring,
  vote,
} from '../harness/ring.ts';
import type { Entry, Out, StateQueue, Step, Trace } from './trace-data.ts';
import {
  afterReport,
  fetchThroughCache,
  keepOnly,
  refresh,
  type ZuulCache,
  zuulCache,
} from './zuul-cache.ts';

/** Plays the steps of a trace through the ring in memory and writes down what happened, in the trace’s own form. */

const n = z.union([z.number(), z.string()]).transform(String);
const list = z.array(z.union([z.number(), z.string()]));
const parent = z
  .tuple([n, n])
  .nullish()
  .transform((pair) => pair ?? undefined);
const shapes = {
  change: z.object({
    n,
    project: z.string(),
    branch: z.string().optional(),
    files: z.array(z.string()).optional(),
    token: z.string().nullish(),
    parent,
    depends: list.default([]),
    status: z.enum(['NEW', 'MERGED', 'ABANDONED']).optional(),
    cid: z.string().optional(),
  }),
  created: z.object({ n, ps: n.optional() }),
  patchset: z.object({
    n,
    files: z.array(z.string()).optional(),
    parent: z.tuple([n, n]).nullish(),
    depends: list.optional(),
    event: z.boolean().default(true),
  }),
  vote: z.object({
    n,
    label: z.string(),
    value: z.number(),
    user: z.string().default('reviewer_john'),
    age: z.number().default(0),
    event: z.boolean().default(true),
    comment: z.string().default(''),
  }),
  comment: z.object({
    n,
    text: z.string(),
    ps: n.optional(),
    user: z.string().default('author_phil'),
  }),
  abandon: z.object({ n }),
  restore: z.object({ n }),
  depends: z.object({ n, depends: list }),
  failmerge: z.object({ n, on: z.boolean().default(true) }),
  extmerge: z.object({ n, event: z.boolean().default(false) }),
  refupdate: z.object({ project: z.string(), ref: z.string(), old: z.string(), new: z.string() }),
  finish: z.object({
    job: z.string(),
    changes: z.string().nullish(),
    pipeline: z.string().optional(),
    result: z.string().nullable().default('SUCCESS'),
  }),
  reconfigure: z.object({ layout: z.string().optional() }),
  promote: z.object({ pipeline: z.string(), changes: z.array(z.string()) }),
  enqueue: z.object({ pipeline: z.string(), project: z.string(), change: z.string() }),
  enqueue_ref: z.object({
    pipeline: z.string(),
    project: z.string(),
    ref: z.string(),
    old: z.string(),
    new: z.string(),
  }),
  timer: z.object({ pipeline: z.string(), timespec: z.string() }),
  unregister: z.object({ job: z.string(), on: z.boolean().default(true) }),
  advance: z.object({ seconds: z.number() }),
  clearcache: z.object({}),
};

interface Play {
  readonly ring: Ring;
  readonly cache: ZuulCache;
  config: SiteConfig;
  layout: string;
  digests: number;
  readonly away: Set<string>;
  requests: number;
}

const urlPattern =
  'http://logs.example.com/{change.number}/{change.patchset}/{pipeline.name}/{job.name}/{build.number}';

function configOf(layout: Layout, digest: string, away: ReadonlySet<string>): SiteConfig {
  const names = Object.keys(layout.jobs).filter((name) => !away.has(name));
  return {
    digest,
    layout: { ...layout, quirks: Object.keys(quirks) },
    jobs: Object.fromEntries(names.map((name) => [name, {}])),
    needs: {},
    settings: {
      accounts: { gerrit: ['jenkins'] },
      gitUrl: 'http://zm/p',
      urlPattern,
      jobNameInReport: true,
      reportTimes: true,
    },
  };
}

/** `numbers`: (job, Jenkins number) → launch, as links of reports name it. */
export function play(trace: Trace): {
  entries: Entry[];
  final: Record<string, string>;
  numbers: Map<string, string>;
} {
  const layout = parseLayout(trace.layout);
  if (typeof layout === 'string') throw new Error(`the layout is not valid: ${layout}`);
  const config = configOf(layout, 'd0', new Set());
  const ring = openRing(config);
  const cache = zuulCache(ring.gerrit);
  ring.fetch = (action) => fetchThroughCache(cache, action, ring.now);
  ring.heard = (action, merged) => {
    const manager = layout.pipelines.find(({ name }) => name === action.pipeline)?.manager;
    if (manager !== 'dependent' || action.phase === 'start') return;
    afterReport(cache, action, ring.now);
    // Zuul found it merged, but not by this report, and waited for the branch to move.
    if (!merged && mustChange(ring.gerrit, action.number).status === 'MERGED') ring.now += 300_000;
  };
  const game: Play = {
    ring,
    cache,
    config,
    layout: trace.layout,
    digests: 0,
    away: new Set(),
    requests: 0,
  };
  const entries = trace.steps.map((each) => {
    const from = { actions: game.ring.actions.length, merged: game.ring.merged.length };
    const extra = apply(game, each);
    return { out: [...extra, ...outs(game.ring, from)], state: state(game.ring) };
  });
  const final = [...game.ring.gerrit.changes].map(([number, { status }]) => [number, status]);
  const numbers = game.ring.builds.map(({ action, index }): [string, string] => [
    `${action.job} ${action.number}`,
    `b${index}`,
  ]);
  return { entries, final: Object.fromEntries(final), numbers: new Map(numbers) };
}

function parseLayout(text: string): Layout | string {
  const { layout, problems } = readLayout([{ name: 'layout.yaml', text }], {
    dialect: 'zuul-2.6',
    connections: { gerrit: 'gerrit', smtp: 'smtp' },
    functions: 'any',
    quirks: Object.keys(quirks),
  });
  return layout ?? problems.map((problem) => problem.message).join('; ');
}

function ids(depends: readonly (string | number)[]): string[] {
  return depends.map((each) =>
    typeof each === 'number' || /^\d+$/.test(each) ? changeIdOf(String(each)) : each,
  );
}

/** Change-Ids of changes by number: one may have been given another id. */
function dependsOf(ring: Ring, depends: readonly (string | number)[]): string[] {
  return depends.map((each) => ring.gerrit.changes.get(String(each))?.changeId ?? ids([each])[0] ?? '');
}

const refused: Out = { kind: 'exception', where: 'management', error: 'refused' };

function apply(game: Play, step: Step): Out[] {
  const { ring } = game;
  const request = () => ({ at: ring.now, id: `r${game.requests++}`, by: 'somebody' });
  switch (step.op) {
    case 'change': {
      const { n: number, cid, token, depends, ...rest } = shapes.change.parse(step);
      const { project, branch, files, parent: sits, status } = rest;
      create(ring, {
        number,
        project,
        depends: dependsOf(ring, depends),
        ...(branch === undefined ? {} : { branch }),
        ...(files === undefined ? {} : { files }),
        ...(sits === undefined ? {} : { parent: sits }),
        ...(status === undefined ? {} : { status }),
        ...(token === undefined || token === null ? {} : { token }),
        ...(cid === undefined ? {} : { changeId: cid }),
      });
      return [];
    }
    case 'created': {
      const { n: number, ps } = shapes.created.parse(step);
      tell(game, 'patchset-created', number, 'author_phil', ps === undefined ? {} : { patchset: ps });
      return [];
    }
    case 'patchset': {
      const { n: number, files, depends, event: said, parent: sits } = shapes.patchset.parse(step);
      amend(ring, number, {
        files: files ?? ['README'],
        ...(depends === undefined ? {} : { depends: dependsOf(ring, depends) }),
        ...(sits === undefined ? {} : { parent: sits ?? undefined }),
      });
      if (said) tell(game, 'patchset-created', number, 'author_phil');
      return [];
    }
    case 'vote': {
      const { n: number, label, value, user, age, event: said, comment: text } = shapes.vote.parse(step);
      const { now } = ring;
      ring.now = now - age * 1000;
      vote(ring, number, label, value, user);
      ring.now = now;
      if (said) {
        tell(game, 'comment-added', number, user, { comment: text, approvals: [{ label, value }] });
      }
      return [];
    }
    case 'comment': {
      const { n: number, text, ps, user } = shapes.comment.parse(step);
      const patchset = ps === undefined ? {} : { patchset: ps };
      tell(game, 'comment-added', number, user, { comment: text, approvals: [], ...patchset });

      return [];
    }
    case 'abandon': {
      const { n: number } = shapes.abandon.parse(step);
      mustChange(ring.gerrit, number).status = 'ABANDONED';
      tell(game, 'change-abandoned', number, 'author_phil');
      return [];
    }
    case 'restore': {
      const { n: number } = shapes.restore.parse(step);
      mustChange(ring.gerrit, number).status = 'NEW';
      tell(game, 'change-restored', number, 'author_phil');
      return [];
    }
    case 'depends': {
      const { n: number, depends } = shapes.depends.parse(step);
      mustChange(ring.gerrit, number).depends = dependsOf(ring, depends);
      return [];
    }
    case 'failmerge': {
      const { n: number, on } = shapes.failmerge.parse(step);
      mustChange(ring.gerrit, number).failMerge = on;
      return [];
    }
    case 'extmerge': {
      const { n: number, event: said } = shapes.extmerge.parse(step);
      mustChange(ring.gerrit, number).status = 'MERGED';
      if (said) tell(game, 'change-merged', number, 'author_phil');
      return [];
    }
    case 'refupdate': {
      const { project, ref, old, new: newRev } = shapes.refupdate.parse(step);
      deliver(ring, {
        kind: 'GerritEvent',
        at: ring.now,
        connection: 'gerrit',
        via: 'stream',
        type: 'ref-updated',
        project,
        ref,
        oldRev: old,
        newRev,
        account: account('author_phil'),
      });
      return [];
    }
    case 'finish': {
      const { job, changes, pipeline, result } = shapes.finish.parse(step);
      const which = {
        job,
        ...(step.changes === undefined ? {} : { changes: changes ?? null }),
        ...(pipeline === undefined ? {} : { pipeline }),
      };
      return finish(ring, which, result) ? [] : [{ kind: 'nomatch' }];
    }
    case 'reconfigure': {
      const { layout } = shapes.reconfigure.parse(step);
      const read = parseLayout(layout ?? game.layout);
      if (typeof read === 'string') return [{ kind: 'exception', where: 'reconfigure', error: read }];
      game.layout = layout ?? game.layout;
      game.digests += 1;
      game.config = configOf(read, `d${game.digests}`, game.away);
      deliver(ring, { kind: 'Configured', at: ring.now, digest: game.config.digest }, game.config);
      keepOnly(game.cache, queuedChanges(ring));
      return [];
    }
    case 'promote': {
      const { pipeline, changes } = shapes.promote.parse(step);
      const note = deliver(ring, { kind: 'PromoteRequested', ...request(), pipeline, changes });
      return note.startsWith('refused') ? [refused] : [];
    }
    case 'enqueue': {
      const { pipeline, project, change } = shapes.enqueue.parse(step);
      const [number = '', patchset = ''] = change.split(',');
      const what = { pipeline, project, number, patchset };
      const note = deliver(ring, { kind: 'EnqueueRequested', ...request(), ...what });
      return note.startsWith('refused') ? [refused] : [];
    }
    case 'enqueue_ref': {
      const { pipeline, project, ref, old, new: newRev } = shapes.enqueue_ref.parse(step);
      const what = { pipeline, project, ref, oldRev: old, newRev };
      const note = deliver(ring, { kind: 'EnqueueRefRequested', ...request(), ...what });
      return note.startsWith('refused') ? [refused] : [];
    }
    case 'timer': {
      const { pipeline, timespec } = shapes.timer.parse(step);
      deliver(ring, { kind: 'TimerRequested', ...request(), pipeline, timespec });
      return [];
    }
    case 'unregister': {
      const { job, on } = shapes.unregister.parse(step);
      if (on) game.away.add(job);
      else game.away.delete(job);
      game.config = configOf(game.config.layout, game.config.digest, game.away);
      ring.world = { ...ring.world, config: game.config };
      return [];
    }
    case 'advance':
      ring.now += shapes.advance.parse(step).seconds * 1000;
      return [];
    case 'clearcache':
      game.cache.known.clear();
      return [];
    default:
      throw new Error(`unknown step ${step.op}`);
  }
}

/** Zuul looked at the change of every event, wanted or not. */
function tell(
  game: Play,
  type: string,
  number: string,
  user: string,
  more: Parameters<typeof event>[4] = {},
): void {
  const patchset = more.patchset ?? currentPatchset(mustChange(game.ring.gerrit, number));
  refresh(game.cache, { number, patchset }, game.ring.now);
  event(game.ring, type, number, user, more);
}

function queuedChanges(ring: Ring): { number: string; patchset: string }[] {
  return [...ring.world.tables.items.values()].flatMap(({ subject }) =>
    subject.kind === 'change' ? [{ number: subject.number, patchset: subject.patchset }] : [],
  );
}

/** What left the kernel since, as a trace says it. Launches are numbered as they were made. */
function outs(ring: Ring, from: { actions: number; merged: number }): Out[] {
  const found = ring.actions.slice(from.actions).flatMap((action) => outOf(ring, action));
  const merged = ring.merged.slice(from.merged).map((change): Out => ({ kind: 'merged', change }));
  return [...found, ...merged];
}

function outOf(ring: Ring, action: Action): Out[] {
  switch (action.kind) {
    case 'build': {
      const build = ring.builds.find((each) => each.action.id === action.id);
      if (build === undefined) return [];
      const { job, pipeline, params } = action;
      return [{ kind: 'launch', build: `b${build.index}`, job, pipeline, changes: changesOf(build), params }];
    }
    case 'cancel': {
      const build = ring.builds.find((each) => each.action.id === action.target);
      if (build === undefined) return [];
      return [{ kind: 'cancel', build: `b${build.index}`, job: build.action.job, changes: changesOf(build) }];
    }
    case 'report': {
      const { number, patchset, labels, submit, message, connection } = action;
      return [
        {
          kind: 'report',
          change: `${number},${patchset}`,
          action: { ...labels, ...(submit ? { submit } : {}) },
          message,
          connection,
        },
      ];
    }
    case 'mail': {
      const { subject, message, to = 'you@example.com', from = 'zuul@example.com' } = action;
      return [{ kind: 'mail', subject, to, sender: from, message }];
    }
    case 'fetch':
    case 'merge':
    case 'acquire':
    case 'release':
      return [];
  }
  return unreachable(action);
}

/** The non-empty queues, in the order of the layout. */
export function state(ring: Ring): StateQueue[] {
  const { tables, config } = ring.world;
  const order = config?.layout.pipelines.map(({ name }) => name) ?? [];
  const name = (id: string | null) => {
    const item = id === null ? undefined : tables.items.get(id);
    return item === undefined ? null : subjectName(item.subject);
  };
  return [...tables.queues.values()]
    .filter(({ items }) => items.length > 0)
    .sort((a, b) => order.indexOf(a.pipeline) - order.indexOf(b.pipeline) || a.order - b.order)
    .map((queue) => ({
      pipeline: queue.pipeline,
      queue: queue.name,
      window: queue.window,
      items: queue.items.flatMap((id) => {
        const item = tables.items.get(id);
        if (item === undefined) return [];
        const builds = Object.values(item.set.builds).map((build) => [build.job, resultOf(build) ?? null]);
        return [
          {
            id: subjectName(item.subject),
            project: item.subject.project,
            live: item.live,
            active: item.active,
            ahead: name(item.ahead),
            failing: [...item.failing],
            builds: Object.fromEntries(builds),
          },
        ];
      }),
    }));
}
