import { readLayout } from '../../pipelines/layout/read.ts';
import type { Layout } from '../../pipelines/layout.ts';
import type { SiteConfig } from '../../pipelines/ports.ts';
import { quirks } from '../../pipelines/quirks.ts';
import { account, currentPatchset, mustChange } from '../harness/gerrit.ts';
import {
  amend,
  changeIdOf,
  create,
  deliver,
  event,
  finish,
  openRing,
  type Ring,
  vote,
} from '../harness/ring.ts';
import type { Entry, Out, Step, Trace } from './trace-data.ts';
import { shapes } from './trace-shapes.ts';
import { outs, state } from './trace-view.ts';
import {
  afterReport,
  fetchThroughCache,
  keepOnly,
  refresh,
  type ZuulCache,
  zuulCache,
} from './zuul-cache.ts';

/** Plays the steps of a trace through the ring in memory and writes down what happened, in the trace’s own form. */

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
