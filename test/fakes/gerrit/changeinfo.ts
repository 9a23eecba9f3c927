import type { Json } from './attributes.ts';
import { labelStatuses, subjectOf, submitRecordsJson } from './attributes.ts';
import type { Change, PatchSet, State } from './model.ts';
import { current } from './model.ts';

/** Gerrit's ChangeInfo, with the fields that the options ask for. */

/** `2026-11-28 08:20:03.000000000`: UTC, without saying so. */
function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().replace('T', ' ').replace('Z', '')}000000`;
}

function accountInfo(state: State, username: string | undefined, options: ReadonlySet<string>): Json {
  const account = username === undefined ? undefined : state.accounts.get(username);
  if (account === undefined) return { _account_id: 0 };
  const { id, name, email } = account;
  return options.has('DETAILED_ACCOUNTS')
    ? { _account_id: id, name, email, username: account.username }
    : { _account_id: id };
}

function revisionInfo(state: State, change: Change, patchset: PatchSet, options: ReadonlySet<string>): Json {
  const of = (what: string) =>
    options.has(`ALL_${what}S`) || (options.has(`CURRENT_${what}`) && patchset === current(change));
  return {
    kind: patchset.kind,
    _number: patchset.number,
    created: timestamp(patchset.createdOn),
    uploader: accountInfo(state, patchset.uploader, options),
    ref: patchset.ref,
    fetch: {},
    commit: of('COMMIT')
      ? {
          parents: patchset.parents.map((commit) => ({ commit })),
          subject: subjectOf(patchset.message),
          message: patchset.message,
        }
      : undefined,
    files:
      options.has('ALL_FILES') || (options.has('CURRENT_FILES') && patchset === current(change))
        ? Object.fromEntries(patchset.files.map(({ file }) => [file, {}]))
        : undefined,
  };
}

export function changeInfo(state: State, change: Change, options: ReadonlySet<string>): Json {
  const shown = options.has('ALL_REVISIONS')
    ? change.patchsets
    : options.has('CURRENT_REVISION')
      ? [current(change)]
      : [];
  const votes = change.votes.filter(({ patchset }) => patchset === current(change).number);
  return {
    id: `${encodeURIComponent(change.project)}~${change.number}`,
    project: change.project,
    branch: change.branch,
    topic: change.topic,
    hashtags: change.hashtags,
    change_id: change.id,
    subject: subjectOf(current(change).message),
    status: change.status,
    created: timestamp(change.createdOn),
    updated: timestamp(change.updatedOn),
    work_in_progress: change.wip || undefined,
    is_private: change.private || undefined,
    _number: change.number,
    owner: accountInfo(state, change.owner, options),
    current_revision: shown.length > 0 ? current(change).revision : undefined,
    revisions:
      shown.length > 0
        ? Object.fromEntries(shown.map((set) => [set.revision, revisionInfo(state, change, set, options)]))
        : undefined,
    labels: options.has('DETAILED_LABELS')
      ? Object.fromEntries(
          labelStatuses(state, change).map(({ label }) => [
            label,
            {
              all: votes
                .filter((vote) => vote.label === label)
                .map(({ by, value, at }) => ({
                  ...accountInfo(state, by, options),
                  value,
                  date: timestamp(at),
                })),
            },
          ]),
        )
      : undefined,
    messages: options.has('MESSAGES')
      ? change.messages.map(({ at, by, text, tag, patchset }) => ({
          author: by === undefined ? undefined : accountInfo(state, by, options),
          date: timestamp(at),
          message: text,
          tag,
          _revision_number: patchset,
        }))
      : undefined,
    submit_records: submitRecordsJson(state, change),
  };
}

/** `related`: the commits of the chain, this one included, when there is more than this one. */
export function relatedInfo(state: State, change: Change, patchset: PatchSet): Json {
  const places = [
    ...patchset.parents.flatMap((parent) => state.revisions.get(`${change.project} ${parent}`) ?? []),
    { number: change.number, patchset: patchset.number },
    ...(state.children.get(`${change.project} ${patchset.revision}`) ?? []),
  ];
  if (places.length === 1) return { changes: [] };
  const changes = places.flatMap((place) => {
    const of = state.changes.get(place.number);
    const set = of?.patchsets.find(({ number }) => number === place.patchset);
    if (of === undefined || set === undefined) return [];
    return [
      {
        project: of.project,
        change_id: of.id,
        commit: { commit: set.revision, parents: set.parents.map((commit) => ({ commit })) },
        _change_number: of.number,
        _revision_number: set.number,
        _current_revision_number: current(of).number,
        status: of.status,
      },
    ];
  });
  return { changes: changes.reverse() };
}
