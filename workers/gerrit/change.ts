import { type Approval, type Change, ChangeStatus } from '../../pipelines/change.ts';
import { toAccount } from './event.ts';
import { compact, type WireChange, type WireDependency, type WirePatchSet } from './schema.ts';

/** A change as a query described it, with the neighbours Gerrit named but nobody has looked at yet. */
export interface ReadChange {
  readonly change: Change;
  /** Patchsets this commit sits on, in parent order; merged and outdated ones included. */
  readonly sitsOn: readonly WireDependency[];
  /** Patchsets that sit on this commit, outdated ones included. */
  readonly carries: readonly WireDependency[];
}

/** `--files`, `--dependencies` and the rest fill a row; without `currentPatchSet` we are not allowed to see the change. */
export const CHANGE_FLAGS = '--current-patch-set --files --commit-message --dependencies --submit-records';

/**
 * A query row in our shape, at `patchset` (the current one by default). Undefined when the row lacks what no plan can do
 * without, or does not know that patchset. Gerrit sends the commit message and the dependencies of the current patchset
 * only, so an outdated one is shown with the message of the current and without neighbours.
 */
export function toChange(
  wire: WireChange,
  connection: string,
  fetchedAt: number,
  patchset?: string,
): ReadChange | undefined {
  const current = wire.currentPatchSet;
  if (wire.number === undefined || wire.project === undefined || wire.branch === undefined) return undefined;
  if (current?.number === undefined) return undefined;
  const isCurrent = patchset === undefined || patchset === current.number;
  const shown = isCurrent ? current : wire.patchSets?.find((candidate) => candidate.number === patchset);
  if (shown?.number === undefined || shown.revision === undefined) return undefined;
  const change: Change = compact({
    connection,
    project: wire.project,
    number: wire.number,
    patchset: shown.number,
    branch: wire.branch.replace(/^refs\/heads\//, ''),
    revision: shown.revision,
    ref: shown.ref ?? patchsetRef(wire.number, shown.number),
    currentPatchset: current.number,
    changeId: wire.id ?? '',
    subject: wire.subject ?? '',
    message: wire.commitMessage ?? wire.subject ?? '',
    owner: toAccount(wire.owner),
    uploader: shown.uploader === undefined ? undefined : toAccount(shown.uploader),
    url: wire.url ?? '',
    topic: wire.topic,
    status: statusOf(wire),
    wip: wire.wip ?? false,
    private: wire.private ?? false,
    files: (shown.files ?? []).map(({ file }) => file),
    parents: shown.parents ?? [],
    approvals: approvalsOf(current),
    submitRecords: (wire.submitRecords ?? []).map(({ status, labels }) => compact({ status, labels })),
    dependsOn: [],
    neededBy: [],
    fetchedAt,
  });
  return {
    change,
    sitsOn: isCurrent ? (wire.dependsOn ?? []) : [],
    carries: isCurrent ? (wire.neededBy ?? []) : [],
  };
}

export function statusOf(wire: WireChange): ChangeStatus {
  const known = ChangeStatus.safeParse(wire.status);
  if (known.success) return known.data;
  return wire.open === false ? 'ABANDONED' : 'NEW';
}

/** Votes other than zero. `SUBM` is no vote: Gerrit notes the submitter there. */
function approvalsOf(patchset: WirePatchSet): Approval[] {
  return (patchset.approvals ?? []).flatMap(({ type, description, value, by, grantedOn }) => {
    const label = type ?? description;
    if (label === undefined || label === 'SUBM' || value === undefined || value === 0) return [];
    return [{ label, value, by: toAccount(by), grantedOn: (grantedOn ?? 0) * 1000 }];
  });
}

export interface Vote {
  readonly label: string;
  readonly value: number;
  readonly username: string | undefined;
}

export function votesOf(wire: WireChange): Vote[] {
  const approvals = wire.currentPatchSet === undefined ? [] : approvalsOf(wire.currentPatchSet);
  return approvals.map(({ label, value, by }) => ({ label, value, username: by.username }));
}

/** `refs/changes/<last two digits>/<number>/<patchset>` */
export function patchsetRef(number: string, patchset: string): string {
  return `refs/changes/${number.slice(-2).padStart(2, '0')}/${number}/${patchset}`;
}

/** The patchset number at the end of a patchset's ref. */
export function patchsetOf(ref: string | undefined): string | undefined {
  return /^refs\/changes\/\d\d\/\d+\/(\d+)$/.exec(ref ?? '')?.[1];
}
