import { existsSync } from 'node:fs';
import type { Account, Change } from '../pipelines/change.ts';
import type { GerritEvent } from '../pipelines/event.ts';
import { parseVote, type Supposed, withVotes } from '../pipelines/suppose.ts';
import { toChange } from '../workers/gerrit/change.ts';
import { toFact } from '../workers/gerrit/event.ts';
import { WireChange } from '../workers/gerrit/schema.ts';
import { CommandError } from './client.ts';
import { readInput } from './layout.ts';

/** Changes and events as people describe them on the command line. */

export interface Description {
  /** `NUMBER` or `NUMBER,PATCHSET`. */
  readonly change?: string | undefined;
  readonly project?: string;
  readonly branch?: string;
  /** Separated by commas. */
  readonly files?: string;
  /** A row of `gerrit query --format JSON`. */
  readonly changeFile?: string;
  /** A type of event, or a file with the raw line. */
  readonly event?: string;
  readonly comment?: string;
  readonly vote: readonly string[];
  readonly user?: string;
  readonly email?: string;
}

/** What the command line says happened. `raw` is there when it came as Gerrit sends it. */
export interface Happening {
  readonly supposed: Supposed;
  readonly raw?: { readonly event: GerritEvent; readonly line: string };
}

/** Undefined: nothing is said to have happened. */
export function happening(given: Description, connection: string, now: number): Happening | undefined {
  const { event, comment, user, email } = given;
  const by: Account = {
    ...(user === undefined ? {} : { username: user }),
    ...(email === undefined ? {} : { email }),
  };
  const votes = given.vote.map(voteOf);
  const isType = event !== undefined && /^[a-z][a-z-]*$/.test(event) && !existsSync(event);
  if (event !== undefined && !isType) return eventFile(event, connection, now);
  const type = event ?? (comment === undefined && votes.length === 0 ? undefined : 'comment-added');
  if (type === undefined) return undefined;
  return { supposed: { type, by, votes, ...(comment === undefined ? {} : { comment }) } };
}

function voteOf(text: string): { label: string; value: number } {
  const vote = parseVote(text);
  if (vote !== undefined) return vote;
  throw new CommandError(
    `--vote ${JSON.stringify(text)} is not of the form LABEL=VALUE`,
    2,
    'for example --vote Code-Review=+2',
  );
}

function eventFile(file: string, connection: string, now: number): Happening {
  const lines = readInput(file)
    .split('\n')
    .filter((line) => line.trim() !== '');
  const [line] = lines;
  const event = line === undefined ? undefined : toFact(line, connection, now);
  if (line === undefined || event === undefined)
    throw new CommandError(
      `${file} holds no event`,
      2,
      'one line as `ssh -p 29418 HOST gerrit stream-events` prints it, or the type of an event such as patchset-created',
    );
  if (lines.length > 1)
    throw new CommandError(
      `${file} holds ${lines.length} lines, and one event is explained at a time`,
      2,
      '`stackgate simulate` replays many',
    );
  const { comment, type, account = {}, approvals = [] } = event;
  const votes = approvals.map(({ label, value }) => ({ label, value }));
  const supposed = { type, by: account, votes, ...(comment === undefined ? {} : { comment }) };
  return { supposed, raw: { event, line } };
}

/** The change an event is about, as far as the event describes it. */
export function changeOfEvent(line: string, connection: string, now: number): Change | undefined {
  const json: unknown = JSON.parse(line);
  if (typeof json !== 'object' || json === null || !('change' in json) || !('patchSet' in json))
    return undefined;
  const { change, patchSet } = json;
  if (typeof change !== 'object' || change === null) return undefined;
  const wire = WireChange.safeParse({ ...change, currentPatchSet: patchSet });
  return wire.success ? toChange(wire.data, connection, now)?.change : undefined;
}

export interface Described {
  readonly change: Change;
  /** What is not known of it. */
  readonly unknown: readonly ('files' | 'votes')[];
}

/** The change that flags, a file or the event describe; undefined: they describe none. */
export function describedChange(
  given: Description,
  happened: Happening | undefined,
  connection: string,
  now: number,
): Described | undefined {
  const { changeFile, project, branch } = given;
  if (changeFile !== undefined) return { change: queriedChange(changeFile, connection, now), unknown: [] };
  const files = filesOf(given);
  const unknown: Described['unknown'] = files === undefined ? ['files'] : [];
  const raw = happened?.raw === undefined ? undefined : changeOfEvent(happened.raw.line, connection, now);
  if (raw !== undefined) {
    const said = happened?.supposed;
    const change = said === undefined ? raw : withVotes(raw, said.by, said.votes, now);
    return { change: { ...change, files: files ?? change.files }, unknown: [...unknown, 'votes'] };
  }
  if (project === undefined) return undefined;
  const [number = '1', patchset = '1'] = (given.change ?? '').split(',').filter((part) => part !== '');
  return {
    change: blankChange({ connection, project, number, patchset }, branch, files ?? [], now),
    unknown,
  };
}

function filesOf({ files }: Description): string[] | undefined {
  return files
    ?.split(',')
    .map((file) => file.trim())
    .filter((file) => file !== '');
}

function queriedChange(file: string, connection: string, now: number): Change {
  const hint =
    'make it with: ssh -p 29418 HOST gerrit query --format JSON --current-patch-set --files --submit-records change:NUMBER';
  for (const line of readInput(file).split('\n')) {
    const wire = WireChange.safeParse(parseJson(line));
    const change = wire.success ? toChange(wire.data, connection, now)?.change : undefined;
    if (change !== undefined) return change;
  }
  throw new CommandError(`${file} holds no change with its current patchset`, 2, hint);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function blankChange(
  of: Pick<Change, 'connection' | 'project' | 'number' | 'patchset'>,
  branch: string | undefined,
  files: readonly string[],
  now: number,
): Change {
  return {
    ...of,
    currentPatchset: of.patchset,
    branch: branch ?? 'master',
    revision: '0'.repeat(40),
    ref: '',
    changeId: '',
    subject: '',
    message: '',
    owner: {},
    url: '',
    status: 'NEW',
    wip: false,
    private: false,
    files: ['/COMMIT_MSG', ...files],
    parents: [],
    approvals: [],
    submitRecords: [],
    dependsOn: [],
    neededBy: [],
    fetchedAt: now,
  };
}
