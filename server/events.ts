import type { LedgerEntry } from '../pipelines/ports.ts';
import type { EventPage, EventQuery, EventView } from './contract.ts';
import type { ServerPorts } from './ports.ts';

/** One page of the ledger, newest first. */
export async function listEvents(ports: Pick<ServerPorts, 'history'>, query: EventQuery): Promise<EventPage> {
  const { cursor, limit, since, kind, type } = query;
  const entries = await ports.history.ledger({
    limit: limit + 1,
    ...(since === undefined ? {} : { since }),
    ...(kind === undefined ? {} : { kind }),
    ...(type === undefined ? {} : { type }),
    ...(cursor === undefined ? {} : { before: Number(cursor) }),
  });
  const shown = entries.slice(0, limit);
  const last = shown.at(-1);
  const next = entries.length > limit && last !== undefined ? String(last.seq) : null;
  return { events: shown.map(eventView), next };
}

/** A line of the ledger as people read it. */
export function eventView({ seq, key, filedAt, fact, note, aside }: LedgerEntry): EventView {
  const view: EventView = {
    seq,
    key,
    at: filedAt,
    kind: fact.kind,
    type: null,
    via: null,
    project: null,
    change: null,
    by: null,
    note: note === undefined ? null : aside ? `set aside: ${note}` : note,
  };
  if (fact.kind === 'GerritEvent') {
    const { account } = fact;
    return {
      ...view,
      type: fact.type,
      via: fact.via,
      project: fact.project ?? null,
      change: changeText(fact.number, fact.patchset),
      by: account?.username ?? account?.name ?? account?.email ?? null,
    };
  }
  if (!('by' in fact)) return view;
  const change =
    fact.kind === 'RunRequested'
      ? changeText(fact.change?.number, fact.change?.patchset)
      : 'number' in fact
        ? changeText(fact.number, fact.patchset)
        : null;
  return { ...view, by: fact.by, change, project: 'project' in fact ? fact.project : null };
}

function changeText(number: string | undefined, patchset: string | undefined): string | null {
  if (number === undefined) return null;
  return patchset === undefined ? number : `${number},${patchset}`;
}
