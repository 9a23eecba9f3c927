import type { FetchAction } from '../../pipelines/action.ts';
import type { Change } from '../../pipelines/change.ts';
import { hostOf } from '../../pipelines/dependson.ts';
import type { ChangeFetched } from '../../pipelines/event.ts';
import type { ReadChange } from './change.ts';
import { readNetwork } from './network.ts';
import { pause } from './pause.ts';
import type { GerritSettings } from './settings.ts';
import type { Transport } from './transport.ts';

type FetchSettings = Pick<GerritSettings, 'fetchDeadline' | 'host' | 'maxRelated'>;

/**
 * `fetch`: a change as Gerrit sees it, no older than what its events said.
 *
 * Gerrit's queries lag behind its events (the index is written apart, and read by other replicas). Zuul waits ten
 * seconds after every event for that; we know what the event proved, so we ask at once and ask again only while the
 * answer does not know it: 50 ms, then doubling to a second, until the deadline.
 */
export async function fetchChange(
  action: FetchAction,
  transport: Transport,
  settings: FetchSettings,
  signal: AbortSignal,
  now: () => number = Date.now,
): Promise<ChangeFetched['outcome']> {
  const until = now() + settings.fetchDeadline;
  const wanted = { number: action.number, patchset: action.patchset };
  for (let wait = 50; ; wait = Math.min(1_000, wait * 2)) {
    const [read] = await transport.changes([wanted], signal);
    const stale = staleness(read, action);
    if (stale === undefined && read !== undefined)
      return await withNetwork(read, action, transport, settings, signal);
    if (stale === undefined || now() + wait >= until)
      return await giveUp(read, stale, action, transport, settings, signal);
    await pause(wait, signal, 'the fetch');
  }
}

/** Why this answer is older than what we know; undefined when it is not. */
export function staleness(
  read: ReadChange | undefined,
  { expect }: Pick<FetchAction, 'expect'>,
): 'unknown' | 'patchset' | 'revision' | 'status' | undefined {
  if (read === undefined) {
    const happened = expect.patchset ?? expect.revision ?? expect.status;
    return happened === undefined ? undefined : 'unknown';
  }
  const { change } = read;
  if (expect.patchset !== undefined) {
    if (Number(change.currentPatchset) < Number(expect.patchset)) return 'patchset';
    if (
      expect.revision !== undefined &&
      change.patchset === expect.patchset &&
      change.revision !== expect.revision
    )
      return 'revision';
  }
  return expect.status === undefined || agrees(change, expect.status) ? undefined : 'status';
}

/** A merge is final. Abandoned and restored may have changed again since the event, but an old answer looks the same. */
function agrees(change: Change, expected: string): boolean {
  return change.status === expected || change.status === 'MERGED';
}

async function giveUp(
  read: ReadChange | undefined,
  stale: ReturnType<typeof staleness>,
  action: FetchAction,
  transport: Transport,
  settings: FetchSettings,
  signal: AbortSignal,
): Promise<ChangeFetched['outcome']> {
  const name = action.patchset === undefined ? action.number : `${action.number},${action.patchset}`;
  const seconds = Math.round(settings.fetchDeadline / 1000);
  if (read === undefined)
    return { kind: 'absent', reason: `Gerrit knows no change ${name}, or does not show it to us` };
  if (stale === 'status' && action.expect.status !== 'MERGED')
    // After so long it is no lag any more: the change was abandoned and restored (or the other way) in the meantime.
    return await withNetwork(read, action, transport, settings, signal);
  const shown = `patchset ${read.change.currentPatchset}, status ${read.change.status}`;
  return {
    kind: 'failed',
    reason: `after ${seconds} s Gerrit's answer about ${name} is still older than its events (${shown})`,
  };
}

async function withNetwork(
  read: ReadChange,
  action: FetchAction,
  transport: Transport,
  settings: FetchSettings,
  signal: AbortSignal,
): Promise<ChangeFetched['outcome']> {
  const network = await readNetwork(read, transport, {
    dependents: action.dependents,
    siblings: action.siblings ?? false,
    hosts: action.addresses === true ? [...hostOf(read.change.url), settings.host] : [],
    limit: settings.maxRelated,
    signal,
  });
  if (network.kind === 'found')
    return { kind: 'found', change: network.change, related: [...network.related] };
  if (network.kind === 'cycle') return { kind: 'cycle', path: [...network.path] };
  return { kind: 'failed', reason: `${action.number} needs more than ${network.limit} other changes` };
}
