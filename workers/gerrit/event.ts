import { createHash } from 'node:crypto';
import type { Account } from '../../pipelines/change.ts';
import type { GerritEvent } from '../../pipelines/event.ts';
import { ACTORS, compact, type WireAccount, WireEvent } from './schema.ts';

/**
 * A line of `gerrit stream-events` as a fact, and the fact's natural identity.
 *
 * Gerrit gives events no ids and its clock counts seconds. What can happen only once (a patchset, a merge) is named
 * by what it is; everything else by its content, so that a line delivered twice is one fact. Two people's equal words in
 * one second differ by author; one person's equal words in one second are one fact.
 */

/**
 * Lines nobody can want, recognised before they are parsed: NoteDb writes a meta ref for every click, and replication
 * reports each ref to each mirror (over 90 % of a busy server's stream). Safe on strangers' text: inside a JSON string
 * the quote before `:` would be escaped.
 */
const NOISE =
  /"type":"(?:ref-replicated|ref-replication-done|ref-replication-scheduled|fetch-ref-replicated|fetch-ref-replication-scheduled|cache-eviction)"/;
const HOUSEKEEPING =
  /"refName":"refs\/(?:changes\/[0-9]+\/[0-9]+\/(?:meta|robot-comments)|sequences\/|users\/|draft-comments\/|starred-changes\/|cache-automerge\/)/;

export function isNoise(line: string): boolean {
  if (line.includes('"type":"ref-updated"')) return HOUSEKEEPING.test(line);
  return line.includes('ref-repl') || line.includes('cache-eviction') ? NOISE.test(line) : false;
}

/** `dropped-output`: Gerrit's queue for us ran over and it threw events away. */
export const DROPPED = 'dropped-output';

/** The fact of a line; undefined when the line is no event (not JSON, no object, no type). Never throws. */
export function toFact(line: string, connection: string, at: number): GerritEvent | undefined {
  const read = WireEvent.safeParse(parseJson(line));
  return read.success ? eventFact(read.data, connection, at) : undefined;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function eventFact(wire: WireEvent, connection: string, at: number): GerritEvent {
  const actor = ACTORS.map((role) => wire[role]).find((account) => account !== undefined);
  const patchsetComments = wire.patchSetComments?.['/PATCHSET_LEVEL']?.map((comment) => comment.message);
  return compact({
    kind: 'GerritEvent' as const,
    at,
    connection,
    via: 'stream' as const,
    type: wire.type,
    project: wire.change?.project ?? wire.refUpdate?.project ?? wire.project ?? wire.projectName,
    branch: wire.change?.branch ?? (wire.change === undefined ? undefined : shortBranch(wire.refName)),
    number: wire.change?.number,
    patchset: wire.patchSet?.number,
    revision: wire.patchSet?.revision,
    account: actor === undefined ? undefined : toAccount(actor),
    comment: wire.comment,
    patchsetComments,
    approvals: wire.approvals === undefined ? undefined : votes(wire.approvals),
    ref: wire.refUpdate?.refName,
    oldRev: wire.refUpdate?.oldRev,
    newRev: wire.refUpdate?.newRev ?? wire.newRev,
    createdOn: wire.eventCreatedOn,
  });
}

export function toAccount(wire: WireAccount | undefined): Account {
  return compact({ name: wire?.name, email: wire?.email, username: wire?.username });
}

function votes(approvals: NonNullable<WireEvent['approvals']>): NonNullable<GerritEvent['approvals']> {
  return approvals.flatMap(({ type, description, value, oldValue }) => {
    const label = type ?? description;
    if (label === undefined || value === undefined) return [];
    return [compact({ label, value, oldValue })];
  });
}

function shortBranch(refName: string | undefined): string | undefined {
  return refName?.replace(/^refs\/heads\//, '');
}

/** Two events with the same key are the same event. */
export function naturalKey(event: GerritEvent): string {
  const { type, connection, number, patchset } = event;
  if (type === 'patchset-created' && number !== undefined && patchset !== undefined)
    return `patchset-created/${connection}/${number},${patchset}`;
  if (type === 'change-merged' && number !== undefined) return `change-merged/${connection}/${number}`;
  if (type === 'ref-updated')
    return `ref-updated/${connection}/${digest([event.project, event.ref, event.oldRev, event.newRev])}`;
  const subject = number === undefined ? '' : `${number},${patchset ?? ''}`;
  const content = digest([
    event.project,
    event.account?.username ?? event.account?.email ?? event.account?.name,
    event.comment,
    event.approvals,
    event.patchsetComments,
  ]);
  return `${type}/${connection}/${subject}/${event.createdOn ?? ''}/${content}`;
}

function digest(parts: readonly unknown[]): string {
  return createHash('sha256')
    .update(JSON.stringify(parts.map((part) => part ?? null)))
    .digest('hex')
    .slice(0, 24);
}
