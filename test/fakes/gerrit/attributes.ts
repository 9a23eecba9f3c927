import type { Account, Change, Label, PatchSet, State, Vote } from './model.ts';
import { current } from './model.ts';

/**
 * The JSON objects that events and queries are made of, in Gerrit's field order. `undefined` fields are left out when written,
 * as Gson leaves out nulls.
 */

export type Json = Record<string, unknown>;

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** As Gson writes: compact, nulls left out, and the characters of HTML escaped. */
export function gson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&='\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

export function accountJson(account: Account | undefined): Json | undefined {
  if (account === undefined) return undefined;
  const { name, email, username } = account;
  return {
    name: name === '' ? undefined : name,
    email: email === '' ? undefined : email,
    username,
  };
}

export function userJson(state: State, username: string | undefined): Json | undefined {
  return username === undefined ? undefined : accountJson(state.accounts.get(username));
}

/** A git author need not be a user of the server. */
function authorJson(state: State, author: { name: string; email: string }): Json {
  const account = [...state.accounts.values()].find((a) => a.email === author.email);
  return accountJson(account) ?? { name: author.name, email: author.email, username: '' };
}

export function subjectOf(message: string): string {
  return (message.trimStart().split(/\n\s*\n/)[0] ?? '').replace(/\s+/g, ' ').trim();
}

export function changeUrl(webUrl: string, change: Change): string {
  return `${webUrl}c/${change.project}/+/${change.number}`;
}

/** Both events and queries have these. */
export function changeJson(state: State, webUrl: string, change: Change): Json {
  const { message } = current(change);
  return {
    project: change.project,
    branch: change.branch,
    topic: change.topic,
    id: change.id,
    number: change.number,
    subject: subjectOf(message),
    owner: userJson(state, change.owner),
    url: changeUrl(webUrl, change),
    commitMessage: message,
    hashtags: change.hashtags.length > 0 ? change.hashtags : undefined,
    createdOn: seconds(change.createdOn),
    lastUpdated: undefined,
    open: undefined,
    status: change.status,
    comments: undefined,
    wip: change.wip || undefined,
    private: change.private || undefined,
  };
}

export function patchSetJson(state: State, patchset: PatchSet): Json {
  const sum = (pick: 'insertions' | 'deletions') => patchset.files.reduce((n, file) => n + file[pick], 0);
  return {
    number: patchset.number,
    revision: patchset.revision,
    parents: patchset.parents,
    ref: patchset.ref,
    uploader: userJson(state, patchset.uploader),
    createdOn: seconds(patchset.createdOn),
    author: authorJson(state, patchset.author),
    kind: patchset.kind,
    approvals: undefined,
    comments: undefined,
    files: undefined,
    sizeInsertions: sum('insertions'),
    sizeDeletions: sum('deletions'),
  };
}

export function voteJson(state: State, vote: Vote): Json {
  return {
    type: vote.label,
    description: vote.label,
    value: String(vote.value),
    grantedOn: seconds(vote.at),
    by: userJson(state, vote.by),
  };
}

/** Query output: deletions are negative in every version. */
export function filesJson(patchset: PatchSet): Json[] {
  const lines = patchset.message.split('\n').length;
  const magic: Json[] = [{ file: '/COMMIT_MSG', type: 'ADDED', insertions: lines + 5, deletions: 0 }];
  if (patchset.parents.length > 1) {
    magic.push({ file: '/MERGE_LIST', type: 'ADDED', insertions: patchset.parents.length, deletions: 0 });
  }
  const files = patchset.files.map(({ file, fileOld, type, insertions, deletions }) => ({
    file,
    fileOld,
    type,
    insertions,
    deletions: deletions === 0 ? 0 : -deletions,
  }));
  return [...magic, ...files];
}

function refersTo(change: Change, patchset: PatchSet): Json {
  return { id: change.id, number: change.number, revision: patchset.revision, ref: patchset.ref };
}

function patchsetsAt(state: State, places: readonly { number: number; patchset: number }[] | undefined) {
  return (places ?? []).flatMap(({ number, patchset }) => {
    const change = state.changes.get(number);
    const found = change?.patchsets.find((p) => p.number === patchset);
    return change === undefined || found === undefined ? [] : [{ change, patchset: found }];
  });
}

/** Changes of the project one of whose patch sets, current or not, is a parent of this change's current patch set. */
export function dependsOnJson(state: State, change: Change): Json[] | undefined {
  const found = current(change).parents.flatMap((parent) =>
    patchsetsAt(state, state.revisions.get(`${change.project} ${parent}`)).map((at) => ({
      ...refersTo(at.change, at.patchset),
      isCurrentPatchSet: at.patchset === current(at.change),
    })),
  );
  return found.length > 0 ? found : undefined;
}

/** Patch sets, outdated ones too, that sit on this change's current patch set. */
export function neededByJson(state: State, change: Change): Json[] | undefined {
  const { revision } = current(change);
  const found = patchsetsAt(state, state.children.get(`${change.project} ${revision}`)).map((at) =>
    refersTo(at.change, at.patchset),
  );
  return found.length > 0 ? found : undefined;
}

export interface LabelStatus {
  readonly label: string;
  readonly status: 'OK' | 'REJECT' | 'NEED' | 'MAY';
  readonly by?: string;
}

function labelStatus(change: Change, label: Label): LabelStatus {
  const votes = change.votes.filter((v) => v.label === label.name && v.patchset === current(change).number);
  const lowest = votes.find((v) => v.value === label.min && label.min < 0);
  const highest = votes.find((v) => v.value === label.max && label.max > 0);
  const status = (value: LabelStatus['status'], vote?: Vote): LabelStatus => ({
    label: label.name,
    status: value,
    ...(vote === undefined ? {} : { by: vote.by }),
  });
  if (label.function === 'NoBlock' || label.function === 'NoOp') return status('MAY', highest);
  if (lowest !== undefined && label.function !== 'MaxNoBlock') return status('REJECT', lowest);
  if (label.function === 'AnyWithBlock') return status('MAY', highest);
  return highest === undefined ? status('NEED') : status('OK', highest);
}

export function labelStatuses(state: State, change: Change): LabelStatus[] {
  const labels = state.projects.get(change.project)?.labels ?? [];
  return labels.map((label) => labelStatus(change, label));
}

export function isSubmittable(statuses: readonly LabelStatus[]): boolean {
  return statuses.every(({ status }) => status === 'OK' || status === 'MAY');
}

export function submitRecordsJson(state: State, change: Change): Json[] {
  const statuses = labelStatuses(state, change);
  return [
    {
      status: isSubmittable(statuses) ? 'OK' : 'NOT_READY',
      labels: statuses.map(({ label, status, by }) => ({ label, status, by: userJson(state, by) })),
    },
  ];
}
