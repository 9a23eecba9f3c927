import { type Arguments, CommandFailure, die, parseArguments } from '../argv.ts';
import type { Change, PatchSet } from '../model.ts';
import { current } from '../model.ts';
import { abandonChange, restoreChange } from '../ops/edit.ts';
import { postReview, ReviewInput } from '../ops/review.ts';
import { submitChange } from '../ops/submit.ts';
import { rebaseChange } from '../push.ts';
import { Refusal, type Site } from '../site.ts';
import { type Context, type Run, readAll } from './context.ts';

const OPTIONS = [
  { names: ['--project', '-p'], operand: true },
  { names: ['--branch', '-b'], operand: true },
  { names: ['--message', '-m'], operand: true },
  { names: ['--notify', '-n'], operand: true },
  { names: ['--abandon'], operand: false },
  { names: ['--restore'], operand: false },
  { names: ['--rebase'], operand: false },
  { names: ['--move'], operand: true },
  { names: ['--submit', '-s'], operand: false },
  { names: ['--json', '-j'], operand: false },
  { names: ['--tag', '-t'], operand: true },
  { names: ['--label', '-l'], operand: true },
] as const;

const NOTIFY = new Set(['NONE', 'OWNER', 'OWNER_REVIEWERS', 'ALL']);

/** Pairs that exclude each other, in the order Gerrit checks them. */
const EXCLUSIVE = [
  ['abandon', 'restore', 'actions'],
  ['abandon', 'submit', 'actions'],
  ['abandon', 'rebase', 'actions'],
  ['abandon', 'move', 'actions'],
  ['json', 'restore', 'actions'],
  ['json', 'submit', 'actions'],
  ['json', 'abandon', 'actions'],
  ['json', 'message', ''],
  ['json', 'rebase', 'actions'],
  ['json', 'move', 'actions'],
  ['json', 'tag', 'actions'],
  ['rebase', 'submit', 'actions'],
] as const;

interface Target {
  readonly change: Change;
  readonly patchset: PatchSet;
}

/** `1234,5` or the first digits of a commit, within project and branch when those are given. */
function findTarget(
  site: Site,
  token: string,
  project: string | undefined,
  branch: string | undefined,
): Target {
  const fits = (change: Change) =>
    (project === undefined || change.project === project) &&
    (branch === undefined || change.branch === branch.replace(/^refs\/heads\//, ''));
  const pair = /^([1-9]\d*),([1-9]\d*)$/.exec(token);
  if (pair !== null) {
    const change = site.state.changes.get(Number(pair[1]));
    const patchset = change?.patchsets.find((p) => p.number === Number(pair[2]));
    // Gerrit looks the change up in the project it was told, and has no better words when there is none.
    if (project !== undefined && change?.project !== project) throw die('database error');
    if (change === undefined || patchset === undefined) throw die(`"${token}" no such patch set`);
    if (!fits(change)) throw die(`change ${change.number} not in branch ${branch ?? ''}`);
    return { change, patchset };
  }
  if (!/^[0-9a-fA-F]{4,40}$/.test(token)) throw die(`"${token}" is not a valid patch set`);
  const found = [...site.state.changes.values()]
    .filter(fits)
    .flatMap((change) => change.patchsets.map((patchset) => ({ change, patchset })))
    .filter(({ patchset }) => patchset.revision.startsWith(token.toLowerCase()));
  const [only, second] = found;
  if (only === undefined) throw die(`"${token}" no such patch set`);
  if (second !== undefined) throw die(`"${token}" matches multiple patch sets`);
  return only;
}

/** `Name=1`, `Name+1`, `Name-1`. */
function parseLabel(token: string): [string, number] {
  const match = /^([A-Za-z0-9-]+?)(?:=([+-]?\d+)|([+-]\d+))$/.exec(token);
  if (match === null) throw die(`"${token}" is not a valid value for "--label (-l)"`);
  return [match[1] ?? '', Number(match[2] ?? match[3])];
}

function parseVote(option: string, value: string): number {
  if (!/^[+-]?\d+$/.test(value)) throw die(`"${value}" is not a valid value for "${option}"`);
  return Number(value);
}

/** Applies the knob for reviews around `post`. */
async function posted(context: Context, post: () => void | Promise<void>): Promise<void> {
  const fault = context.site.faults.review;
  if (fault === null || fault.times <= 0) return post();
  fault.times--;
  if (fault.kind === 'refused') throw new Refusal(409, fault.text ?? 'internal server error');
  if (fault.kind === 'lost-after') await post();
  context.cut();
  // The connection is gone: nothing more is to be said on it, whatever this answers.
  throw new CommandFailure(1, '');
}

async function readJson(context: Context): Promise<ReviewInput> {
  const parsed = ReviewInput.safeParse(parseJson(await readAll(context)));
  if (parsed.success) return parsed.data;
  context.channel.stderr.write(`error: ${parsed.error.issues[0]?.message ?? 'not a ReviewInput'}\n\n`);
  throw die('internal error while reading review input');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** One option per label, such as `--code-review`. */
function labelOptions(site: Site) {
  const labels = [...site.state.projects.values()].flatMap((p) => p.labels.map((l) => l.name));
  return [...new Set(labels)].map((label) => ({
    label,
    names: [`--${label.toLowerCase()}`] as const,
    operand: true,
  }));
}

function checkOptions(site: Site, given: Arguments): void {
  for (const [one, other, what] of EXCLUSIVE) {
    if (given.has(`--${one}`) && given.has(`--${other}`)) {
      throw die(`${one} and ${other}${what === '' ? '' : ` ${what}`} are mutually exclusive`);
    }
  }
  if (given.rest.length === 0) throw die('Argument "{COMMIT | CHANGE,PATCHSET}" is required');
  const project = given.value('--project');
  if (project !== undefined && !site.state.projects.has(project)) {
    throw die(`project ${project} not found`);
  }
  const notify = given.value('--notify');
  if (notify !== undefined && !NOTIFY.has(notify.toUpperCase())) {
    throw die(`"${notify}" is not a valid value for "--notify (-n)"`);
  }
  if (given.has('--move')) throw die('this simulator does not move changes');
}

/** The review that the options describe. */
function inputOf(given: Arguments, labels: ReturnType<typeof labelOptions>): ReviewInput {
  const votes: Record<string, number> = {};
  for (const { label, names } of labels) {
    const value = given.value(names[0]);
    if (value !== undefined) votes[label] = parseVote(names[0], value);
  }
  for (const token of given.values('--label')) {
    const [name, value] = parseLabel(token);
    votes[name] = value;
  }
  // With --abandon and --restore the message is theirs.
  const moves = given.has('--abandon') || given.has('--restore');
  return {
    message: moves ? null : given.value('--message'),
    tag: given.value('--tag'),
    labels: votes,
  };
}

/** Everything asked for on one patch set, in Gerrit's order. */
async function applyTo(
  { site, account }: Context,
  given: Arguments,
  input: ReviewInput,
  { change, patchset }: Target,
): Promise<void> {
  const { number } = change;
  const message = given.value('--message');
  await site.exclusive(async () => {
    if (given.has('--restore')) restoreChange(site, account, number, message);
    postReview(site, account, number, patchset.number, input);
    if (given.has('--abandon')) abandonChange(site, account, number, message);
  });
  if (given.has('--rebase')) await rebaseChange(site, account, number);
  if (!given.has('--submit')) return;
  if (patchset.number !== current(change).number) {
    throw new Refusal(409, `revision ${patchset.revision} is not current revision`);
  }
  await submitChange(site, account, number);
}

export const review: Run = async (context, args) => {
  const { site, channel } = context;
  const labels = labelOptions(site);
  const given = parseArguments(args, [...OPTIONS, ...labels]);
  checkOptions(site, given);
  const targets = given.rest.map((token) =>
    findTarget(site, token, given.value('--project'), given.value('--branch')),
  );
  const json = given.has('--json') ? await readJson(context) : undefined;
  const input = json ?? inputOf(given, labels);

  let failed = false;
  for (const target of targets) {
    try {
      await posted(context, async () => applyTo(context, given, input, target));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      failed = true;
      // Without --json the command wraps the refusal once more before it prints it.
      channel.stderr.write(`error: ${json === undefined ? 'fatal: ' : ''}${error.message}\n\n`);
    }
  }
  if (failed) throw die('one or more reviews failed; review output above');
  return 0;
};
