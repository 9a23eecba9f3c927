import type { FetchAction } from '../action.ts';
import { changeRowKey, findChange, needsOf } from '../depend.ts';
import type { Rules } from '../rules.ts';
import { count, type Draft, drop, type Errand, type FetchRow, put, siteRow } from '../world.ts';

/**
 * Looks at changes: at most one on its way per change, so that what happened to a change is judged in the order in which it
 * happened, and each event by a look that is newer than the event.
 */
export function askFetch(
  draft: Draft,
  rules: Rules,
  of: { connection: string; number: string },
  errand: Errand,
): void {
  const key = changeRowKey(of);
  const row = draft.tables.fetches.get(key);
  if (row === undefined) {
    send(draft, rules, of, [errand], []);
    return;
  }
  const text = JSON.stringify(errand);
  if ([...row.asked, ...row.later].some((other) => JSON.stringify(other) === text)) return;
  put(draft, 'fetches', key, { ...row, later: [...row.later, errand] });
}

/** Takes the errands that an answer settles, and sends for the next ones of the same change. */
export function takeErrands(draft: Draft, key: string): FetchRow | undefined {
  const row = draft.tables.fetches.get(key);
  if (row === undefined) return undefined;
  drop(draft, 'fetches', key);
  drop(draft, 'pending', row.action);
  return row;
}

/** After an answer was used: the errands that came meanwhile want a newer look. */
export function sendLater(draft: Draft, rules: Rules, row: FetchRow): void {
  const first = row.later[0];
  if (first === undefined) return;
  const { connection, number } = row;
  const later = [...row.later];
  // One look serves all errands about one patchset that stand together.
  const together: Errand[] = [];
  while (later[0] !== undefined && later[0].patchset === first.patchset) together.push(...later.splice(0, 1));
  send(draft, rules, { connection, number }, together, later);
}

function send(
  draft: Draft,
  rules: Rules,
  of: { connection: string; number: string },
  asked: readonly Errand[],
  later: readonly Errand[],
): void {
  const key = changeRowKey(of);
  const site = siteRow(draft.tables).site.slice(0, 6);
  const id = `fetch-${site}-${count(draft, 'fetch')}`;
  const patchset = asked[0]?.patchset;
  const action: FetchAction = {
    kind: 'fetch',
    id,
    connection: of.connection,
    number: of.number,
    ...(patchset === undefined ? {} : { patchset }),
    expect: expectation(asked),
    dependents: rules.dependents || isNeeded(draft, of),
    ...(asked.some((errand) => errand.kind === 'Siblings') ? { siblings: true } : {}),
    ...(rules.layout.dialect === 'stackgate' ? { addresses: true } : {}),
  };
  draft.actions.push(action);
  put(draft, 'pending', id, { kind: 'fetch', key });
  put(draft, 'fetches', key, { action: id, ...of, asked, later });
}

/** Somebody in a pipeline needs this change: what they need may have changed with it. */
function isNeeded(draft: Draft, of: { connection: string; number: string }): boolean {
  for (const { subject } of draft.tables.items.values()) {
    const change = subject.kind === 'change' ? findChange(draft.tables, subject) : undefined;
    if (change === undefined) continue;
    const needs = needsOf(change);
    if (needs.some((ref) => ref.number === of.number && ref.connection === of.connection)) return true;
  }
  return false;
}

/** What the events prove: an answer that does not know it yet is stale. */
function expectation(errands: readonly Errand[]): FetchAction['expect'] {
  let expect: FetchAction['expect'] = {};
  for (const errand of errands) {
    if (errand.kind !== 'GerritEvent') continue;
    const { type, patchset, revision } = errand;
    if (patchset !== undefined) expect = { ...expect, patchset };
    if (revision !== undefined) expect = { ...expect, revision };
    const status = { 'change-abandoned': 'ABANDONED', 'change-restored': 'NEW', 'change-merged': 'MERGED' }[
      type
    ];
    if (status !== undefined) expect = { ...expect, status };
  }
  return expect;
}
