import { subjectOf } from './attributes.ts';
import type { Change, State } from './model.ts';
import { current } from './model.ts';

/** A change as plain text for people. */
export function describeChange(state: State, change: Change): string {
  const who = (username: string | undefined) =>
    username === undefined ? 'Gerrit' : (state.accounts.get(username)?.name ?? username);
  const when = (ms: number) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
  const flags = [change.wip ? ' (work in progress)' : '', change.private ? ' (private)' : ''].join('');
  const votes = change.votes
    .filter((v) => v.patchset === current(change).number)
    .map((v) => `${v.label} ${v.value > 0 ? '+' : ''}${v.value}  ${who(v.by)}`);
  const lines = [
    `Change ${change.number}  ${change.status}${flags}`,
    subjectOf(current(change).message),
    '',
    `Project ${change.project}, branch ${change.branch}${change.topic === undefined ? '' : `, topic ${change.topic}`}`,
    `Owner   ${who(change.owner)}`,
    ...votes,
    '',
    ...change.patchsets.map((p) => `Patch set ${p.number}  ${p.revision}  ${p.ref}`),
    '',
    current(change).message.trimEnd(),
    '',
    ...change.messages.flatMap((m) => [
      `${when(m.at)}  ${who(m.by)}`,
      m.text.replaceAll(/^(?=.)/gm, '    '),
      '',
    ]),
  ];
  return lines.join('\n');
}
