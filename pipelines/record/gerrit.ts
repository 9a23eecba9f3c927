import { removeItem } from '../cancel.ts';
import { changeRowKey } from '../depend.ts';
import { itemsFor, olderItems } from '../enqueue.ts';
import type { GerritEvent } from '../event.ts';
import type { Pipeline } from '../layout.ts';
import type { Rules } from '../rules.ts';
import { wantedBy } from '../rules.ts';
import type { Draft } from '../world.ts';
import { askFetch } from './fetch.ts';
import { addRef } from './ref.ts';

/**
 * An event of Gerrit. Most are nobody’s business and are gone after a few lookups; one that a pipeline may want, or that is
 * about a change we know, first has the change looked at: the event only says that something happened, not what is true now.
 */
export function onGerritEvent(draft: Draft, rules: Rules, event: GerritEvent): string {
  if (event.type === 'ref-updated') return onRefUpdated(draft, rules, event);
  const { number, patchset, connection } = event;
  if (number === undefined || patchset === undefined) return 'no pipeline wants it';
  const wanted = wantedBy(rules, event).length > 0;
  const key = changeRowKey({ connection, number });
  const known = draft.tables.changes.has(key);
  // What is being asked about may be in a pipeline by the time this event matters.
  const awaited = draft.tables.fetches.has(key);
  if (known && !rules.quirk('removes-after-look')) {
    // What an event ends needs no look: nodes come free now, however slow Gerrit is.
    for (const { pipeline } of rules.pipelines.values()) {
      if (pipeline.source === connection) removeOutdated(draft, pipeline, event);
    }
  }
  if (!wanted && !((known || awaited) && matters(rules, event))) return 'no pipeline wants it';
  askFetch(draft, rules, { connection, number }, event);
  return wanted ? `asked about change ${number}` : `asked about change ${number}, which is in a pipeline`;
}

/** May it change what becomes of items that are there? Votes do so only in a gate; a look costs Gerrit several queries. */
function matters(rules: Rules, event: GerritEvent): boolean {
  switch (event.type) {
    case 'patchset-created':
    case 'draft-published':
    case 'change-abandoned':
    case 'change-restored':
    case 'change-merged':
      return true;
    case 'comment-added':
      return rules.dependents && (event.approvals?.length ?? 0) > 0;
    default:
      return false;
  }
}

function onRefUpdated(draft: Draft, rules: Rules, event: GerritEvent): string {
  const { connection, project, ref, oldRev, newRev } = event;
  if (project === undefined || ref === undefined || oldRev === undefined || newRev === undefined) {
    return 'no pipeline wants it';
  }
  const notes: string[] = [];
  for (const pipeline of pipelinesOf(wantedBy(rules, event))) {
    notes.push(addRef(draft, rules, pipeline, { connection, project, ref, oldRev, newRev }).note);
  }
  return notes.length === 0 ? 'no pipeline wants it' : notes.join('; ');
}

/** What an event ends by itself: an older patchset, an abandoned change. Needs no look at the change. */
export function removeOutdated(draft: Draft, pipeline: Pipeline, event: GerritEvent): number {
  const { connection, number, patchset } = event;
  if (number === undefined || patchset === undefined) return 0;
  const of = { connection, number, patchset };
  if (event.type === 'patchset-created' && pipeline.dequeueOnNewPatchset) {
    const older = olderItems(draft, pipeline.name, of);
    return older.filter((item) => removeItem(draft, item.id, 'superseded')).length;
  }
  if (event.type === 'change-abandoned') {
    const items = itemsFor(draft, pipeline.name, of);
    return items.filter((item) => removeItem(draft, item.id, 'abandoned')).length;
  }
  return 0;
}

/** Each pipeline once, in order. */
export function pipelinesOf(wanted: readonly { pipeline: Pipeline }[]): Pipeline[] {
  return [...new Set(wanted.map(({ pipeline }) => pipeline))];
}
