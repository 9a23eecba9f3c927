import { Fault } from '../../pipelines/fault.ts';
import { CHANGE_FLAGS, type ReadChange, statusOf, toChange, votesOf } from './change.ts';
import { type CommandResult, type Commands, commandFault } from './commands.ts';
import { anyOf, changeTerm, createQuery, isChangeId, isMentionable, isProjectName } from './query.ts';
import type { WireChange } from './schema.ts';
import type { GerritSettings } from './settings.ts';
import type { Said, Target, Transport, Wanted } from './transport.ts';

/** Terms in one query. Gerrit's index takes 1,024; a command line should stay readable in its log. */
const TERMS = 40;

/** The transport over Gerrit's SSH commands. Reviews go as JSON on stdin, so that no text of ours is ever an argument. */
export function overSsh(
  commands: Commands,
  settings: Pick<GerritSettings, 'connection'>,
  now: () => number = Date.now,
): Transport {
  const query = createQuery(commands);

  async function rows(
    terms: readonly string[],
    flags: string,
    signal: AbortSignal,
    also = '',
  ): Promise<WireChange[]> {
    const bites: string[][] = [];
    for (let at = 0; at < terms.length; at += TERMS) bites.push(terms.slice(at, at + TERMS));
    const answers = await Promise.all(bites.map((bite) => query(`${anyOf(bite)}${also}`, flags, signal)));
    return answers.flat();
  }

  function read(found: readonly WireChange[], patchset?: string): ReadChange[] {
    return found.flatMap((row) => toChange(row, settings.connection, now(), patchset) ?? []);
  }

  return {
    async changes(wanted, signal) {
      const numbers = [...new Set(wanted.map(({ number }) => number))];
      const current = await rows(numbers.map(changeTerm), CHANGE_FLAGS, signal);
      const isOld = ({ number, patchset }: Wanted) =>
        patchset !== undefined &&
        current.some((row) => row.number === number && row.currentPatchSet?.number !== patchset);
      const outdated = [...new Set(wanted.filter(isOld).map(({ number }) => number))];
      const whole =
        outdated.length === 0
          ? []
          : await rows(outdated.map(changeTerm), `${CHANGE_FLAGS} --patch-sets`, signal);
      return wanted.flatMap((wish) => {
        const source = isOld(wish) ? whole : current;
        return read(source.filter((row) => row.number === wish.number).slice(0, 1), wish.patchset);
      });
    },
    async openWithIds(ids, signal) {
      const terms = ids.filter(isChangeId).map((id) => `change:${id}`);
      return terms.length === 0 ? [] : read(await rows(terms, CHANGE_FLAGS, signal, ' status:open'));
    },
    async openMentioning(texts, signal) {
      const terms = texts.filter(isMentionable).map((text) => `message:{${text}}`);
      return terms.length === 0 ? [] : read(await rows(terms, CHANGE_FLAGS, signal, ' status:open'));
    },
    async openOfProject(project, signal) {
      return read(await query(`project:{${checkedProject({ project })}} status:open`, CHANGE_FLAGS, signal));
    },
    sittingOn: (changes) =>
      // Came with the rows.
      Promise.resolve(changes.flatMap(({ carries }) => carries.flatMap(({ number }) => number ?? []))),
    async talk(number, signal) {
      const [row] = await query(changeTerm(number), '--current-patch-set --comments', signal);
      if (row === undefined) return undefined;
      return {
        status: statusOf(row),
        currentPatchset: row.currentPatchSet?.number,
        messages: (row.comments ?? []).map(({ timestamp, reviewer, message }) => ({
          at: timestamp ?? 0,
          username: reviewer?.username,
          text: message ?? '',
        })),
        votes: votesOf(row),
      };
    },
    async review(target, input, signal, begin) {
      const command = `gerrit review --project ${checkedProject(target)} --json ${checkedPatchset(target)}`;
      const stdin = JSON.stringify(input);
      return said('gerrit review', await commands.exec(command, { signal, stdin, begin }));
    },
    async submit(target, signal) {
      const command = `gerrit review --project ${checkedProject(target)} --submit ${checkedPatchset(target)}`;
      return said('gerrit review --submit', await commands.exec(command, { signal }));
    },
    [Symbol.asyncDispose]: () => commands[Symbol.asyncDispose](),
  };
}

function checkedProject({ project }: Pick<Target, 'project'>): string {
  if (!isProjectName(project))
    throw new Fault('gerrit-refused', `refusing the project name ${JSON.stringify(project)}`);
  return project;
}

function checkedPatchset({ number, patchset }: Target): string {
  if (/^[1-9]\d{0,14}$/.test(number) && /^[1-9]\d{0,8}$/.test(patchset)) return `${number},${patchset}`;
  throw new Fault('gerrit-refused', `refusing the patchset ${JSON.stringify(`${number},${patchset}`)}`);
}

/** An internal error may have struck after the review was written: that is an unknown end, and thrown. */
function said(name: string, result: CommandResult): Said {
  if (result.code === 0) return { kind: 'done' };
  const fault = commandFault(name, result);
  if (fault.code === 'gerrit-away') throw fault;
  const text = result.stderr
    .replace(/^fatal: one or more reviews failed.*$/m, '')
    .replace(/^(error|fatal): /gm, '')
    .replace(/\s+/g, ' ')
    .trim();
  return { kind: 'refused', text: text === '' ? fault.message : text.slice(0, 1_000) };
}
