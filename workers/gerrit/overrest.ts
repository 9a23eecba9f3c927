import { z } from 'zod';
import { Fault } from '../../pipelines/fault.ts';
import { type ReadChange, statusOf, toChange, votesOf } from './change.ts';
import { ChangeInfo, rowOf } from './changeinfo.ts';
import { anyOf, changeTerm, isChangeId, isMentionable, isProjectName } from './query.ts';
import type { Rest } from './rest.ts';
import type { WireChange, WireDependency, WirePatchSet } from './schema.ts';
import type { GerritSettings } from './settings.ts';
import type { Target, Transport } from './transport.ts';

/**
 * The transport over REST, for a Gerrit that gives its service accounts no SSH commands, or whose SSH port is far behind its
 * web server. The same questions as over SSH, and rows of the same shape (changeinfo.ts). REST names no neighbours in a
 * query: what a change sits on is asked for by its parents, all at once; what sits on it, one by one, only when wanted.
 */

/** Terms in one query; a URL may not grow without bound. */
const TERMS = 40;
const PAGE = 500;
const MAX_ROWS = 50_000;
/** Outdated patchsets never change: the last so many are not asked for again. */
const KEPT = 500;

const WHOLE = [
  'CURRENT_REVISION',
  'CURRENT_COMMIT',
  'CURRENT_FILES',
  'DETAILED_LABELS',
  'DETAILED_ACCOUNTS',
  'SUBMIT_REQUIREMENTS',
];

const Page = z.array(z.unknown());
const Related = z.object({
  changes: z.array(
    z.object({
      commit: z.object({ commit: z.string(), parents: z.array(z.object({ commit: z.string() })).optional() }),
      _change_number: z.number().int().optional(),
    }),
  ),
});

export function overRest(
  rest: Rest,
  settings: Pick<GerritSettings, 'connection'> & { readonly url: string },
  now: () => number = Date.now,
): Transport {
  const past = new Map<string, WirePatchSet>();

  async function query(
    terms: string,
    options: readonly string[],
    signal: AbortSignal,
  ): Promise<WireChange[]> {
    const rows: WireChange[] = [];
    for (let more = true; more; ) {
      const asked = options.map((option) => `&o=${option}`).join('');
      const path = `changes/?q=${encodeURIComponent(terms)}&n=${PAGE}&S=${rows.length}${asked}`;
      const page = Page.safeParse(await rest.get(path, signal));
      if (!page.success) throw new Fault('gerrit-protocol', 'the answer to a query is no list of changes');
      const found = page.data.flatMap((raw) => ChangeInfo.safeParse(raw).data ?? []);
      rows.push(...found.map((info) => rowOf(info, settings.url)));
      if (rows.length > MAX_ROWS)
        throw new Fault('gerrit-protocol', `a query answered more than ${MAX_ROWS} changes`);
      more = found.at(-1)?._more_changes === true;
    }
    return rows;
  }

  async function rows(
    terms: readonly string[],
    options: readonly string[],
    signal: AbortSignal,
    also = '',
  ): Promise<WireChange[]> {
    const bites: string[][] = [];
    for (let at = 0; at < terms.length; at += TERMS) bites.push(terms.slice(at, at + TERMS));
    const answers = await Promise.all(bites.map((bite) => query(`${anyOf(bite)}${also}`, options, signal)));
    return answers.flat();
  }

  /** Which patchsets the parents of these rows are, if they are any. */
  async function parentsOf(found: readonly WireChange[], signal: AbortSignal) {
    const commits = [...new Set(found.flatMap((row) => row.currentPatchSet?.parents ?? []))];
    const under = await rows(
      commits.map((commit) => `commit:${commit}`),
      ['ALL_REVISIONS'],
      signal,
    );
    const known = new Map<string, WireDependency[]>();
    for (const row of under) {
      for (const { revision, ref } of row.patchSets ?? []) {
        if (revision === undefined) continue;
        const dependency = { id: row.id, number: row.number, revision, ref, isCurrentPatchSet: undefined };
        known.set(revision, [...(known.get(revision) ?? []), dependency]);
      }
    }
    return known;
  }

  async function read(found: readonly WireChange[], signal: AbortSignal): Promise<ReadChange[]> {
    const known = await parentsOf(found, signal);
    return found.flatMap((row) => {
      const dependsOn = (row.currentPatchSet?.parents ?? []).flatMap((parent) => known.get(parent) ?? []);
      return toChange({ ...row, dependsOn }, settings.connection, now()) ?? [];
    });
  }

  /** A row of a change as it was: with the patchset that is no longer the current one. */
  async function outdated(row: WireChange, patchset: string, signal: AbortSignal): Promise<ReadChange[]> {
    const key = `${row.number},${patchset}`;
    let set = past.get(key);
    if (set === undefined) {
      const options = ['ALL_REVISIONS', 'ALL_COMMITS', 'ALL_FILES', 'DETAILED_ACCOUNTS'];
      const [whole] = await query(changeTerm(row.number ?? ''), options, signal);
      set = whole?.patchSets?.find(({ number }) => number === patchset);
      if (set === undefined) return [];
      past.set(key, set);
      const [oldest] = past.keys();
      if (past.size > KEPT && oldest !== undefined) past.delete(oldest);
    }
    return [toChange({ ...row, patchSets: [set] }, settings.connection, now(), patchset) ?? []].flat();
  }

  return {
    async changes(wanted, signal) {
      const numbers = [...new Set(wanted.map(({ number }) => number))];
      const found = await rows(numbers.map(changeTerm), WHOLE, signal);
      const current = await read(found, signal);
      const answers = wanted.map(async ({ number, patchset }) => {
        const row = found.find((candidate) => candidate.number === number);
        if (row === undefined) return [];
        if (patchset !== undefined && row.currentPatchSet?.number !== patchset)
          return await outdated(row, patchset, signal);
        return current.filter(({ change }) => change.number === number).slice(0, 1);
      });
      return (await Promise.all(answers)).flat();
    },
    async openWithIds(ids, signal) {
      const terms = ids.filter(isChangeId).map((id) => `change:${id}`);
      return terms.length === 0 ? [] : await read(await rows(terms, WHOLE, signal, ' status:open'), signal);
    },
    async openMentioning(texts, signal) {
      const terms = texts.filter(isMentionable).map((text) => `message:{${text}}`);
      return terms.length === 0 ? [] : await read(await rows(terms, WHOLE, signal, ' status:open'), signal);
    },
    async openOfProject(project, signal) {
      const terms = `project:{${checkedProject(project)}} status:open`;
      return await read(await query(terms, WHOLE, signal), signal);
    },
    async sittingOn(changes, signal) {
      const lists = changes.map(async ({ change }) => {
        const path = `changes/${idOf(change)}/revisions/${change.patchset}/related`;
        const related = Related.safeParse(await rest.get(path, signal));
        return (related.data?.changes ?? []).flatMap(({ commit, _change_number: number }) =>
          number !== undefined && (commit.parents ?? []).some((parent) => parent.commit === change.revision)
            ? [String(number)]
            : [],
        );
      });
      return [...new Set((await Promise.all(lists)).flat())];
    },
    async talk(number, signal) {
      const options = ['CURRENT_REVISION', 'MESSAGES', 'DETAILED_LABELS', 'DETAILED_ACCOUNTS'];
      const [row] = await query(changeTerm(number), options, signal);
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
    review: (target, input, signal, begin) => rest.post(`${revisionOf(target)}/review`, input, signal, begin),
    submit: (target, signal) => rest.post(`${revisionOf(target)}/submit`, {}, signal),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function idOf({ project, number }: Pick<Target, 'project' | 'number'>): string {
  if (!/^[1-9]\d{0,14}$/.test(number))
    throw new Fault('gerrit-refused', `refusing the change number ${JSON.stringify(number)}`);
  return `${encodeURIComponent(checkedProject(project))}~${number}`;
}

function revisionOf(target: Target): string {
  if (!/^[1-9]\d{0,8}$/.test(target.patchset))
    throw new Fault('gerrit-refused', `refusing the patchset ${JSON.stringify(target.patchset)}`);
  return `changes/${idOf(target)}/revisions/${target.patchset}`;
}

function checkedProject(project: string): string {
  if (isProjectName(project)) return project;
  throw new Fault('gerrit-refused', `refusing the project name ${JSON.stringify(project)}`);
}
