import type { Action } from './action.ts';
import type { Fact } from './event.ts';
import { plan } from './plan.ts';
import type { Row, SiteConfig, WorldPatch } from './ports.ts';
import { onConfigured } from './record/configured.ts';
import { drainInternal, onChangeFetched, pruneChanges } from './record/fetched.ts';
import { onGerritEvent } from './record/gerrit.ts';
import { onReported } from './record/reported.ts';
import { onRequest } from './record/requests.ts';
import { onBuildFinished, onBuildStarted, onMergeFinished, onNodesAnswered } from './record/results.ts';
import { fireTimers } from './record/timers.ts';
import { rulesOf } from './rules.ts';
import { unreachable } from './unreachable.ts';
import { type Draft, draftOf, patchOf, put, siteRow, type World, worldOf } from './world.ts';

export { nextAlarm } from './record/timers.ts';

export interface Step {
  readonly world: World;
  /** In the order in which they were decided. */
  readonly actions: readonly Action[];
  /** In a few words, what became of the fact. */
  readonly note: string;
  /** Rows that changed. */
  readonly patch: WorldPatch;
  readonly history: readonly Row[];
}

/**
 * The kernel’s only door: writes a fact down, then plans until nothing more follows from it. Pure: the same world and the same
 * fact give the same step, on any machine, at any time. `config` belongs to a `Configured` fact.
 */
export function step(world: World, fact: Fact, config?: SiteConfig): Step {
  const draft = draftOf(world);
  const note = record(draft, fact, config);
  if (draft.config !== undefined) {
    const rules = rulesOf(draft.config);
    drainInternal(draft, rules);
    while (draft.dirty.size > 0) {
      plan(draft, rules);
      drainInternal(draft, rules);
    }
    pruneChanges(draft);
  }
  const patch = patchOf(draft);
  return { world: worldOf(draft), actions: draft.actions, note, patch, history: draft.history };
}

/** Facts only: what a fact changes by itself. What follows is the plan’s. */
function record(draft: Draft, fact: Fact, config: SiteConfig | undefined): string {
  const site = siteRow(draft.tables);
  const now = Math.max(site.now, fact.at);
  if (fact.kind === 'Configured') {
    if (config === undefined) return 'refused: the configuration is not there';
    tell(draft, now);
    return onConfigured(draft, config, now);
  }
  if (draft.config === undefined) return 'no configuration yet';
  const rules = rulesOf(draft.config);
  if (fact.kind === 'GerritEvent') {
    const note = onGerritEvent(draft, rules, fact);
    // An event that is nobody’s business leaves no trace in the world, not even its time.
    if (draft.touched.size > 0) tell(draft, now);
    return note;
  }
  tell(draft, now);
  switch (fact.kind) {
    case 'Tick':
      return fireTimers(draft, rules, now).join('; ') || 'nothing is due';
    case 'ChangeFetched':
      return onChangeFetched(draft, rules, fact);
    case 'MergeFinished':
      return onMergeFinished(draft, rules, fact);
    case 'NodesAnswered':
      return onNodesAnswered(draft, rules, fact);
    case 'BuildStarted':
      return onBuildStarted(draft, fact);
    case 'BuildFinished':
      return onBuildFinished(draft, rules, fact);
    case 'Reported':
      return onReported(draft, rules, fact);
    case 'RunRequested':
    case 'EnqueueRequested':
    case 'EnqueueRefRequested':
    case 'DequeueRequested':
    case 'PromoteRequested':
    case 'TimerRequested':
    case 'CancelRequested':
      return onRequest(draft, rules, fact);
  }
  return unreachable(fact);
}

function tell(draft: Draft, now: number): void {
  const site = siteRow(draft.tables);
  if (site.now !== now) put(draft, 'site', 'site', { ...site, now });
}
