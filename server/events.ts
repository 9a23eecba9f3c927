import type { LedgerEntry } from '../pipelines/ports.ts';
import type { EventView } from './contract.ts';

/** A line of the ledger as people read it. */
export function eventView({ seq, filedAt, fact, note, aside }: LedgerEntry): EventView {
  const view: EventView = {
    seq,
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
