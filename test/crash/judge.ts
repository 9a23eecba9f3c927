import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CI_USER } from '../harness/site.ts';
import { type Mark, readMarks } from './marks.ts';
import type { CrashSite } from './site.ts';

/**
 * The judge knows nothing of Stackgate's own records. It reads what the simulated Gerrit accepted, what the builds themselves
 * left in the file system, the log site as files, and which processes live.
 */

/** What must have become of one patchset. */
export interface Expected {
  readonly change: number;
  readonly patchset: number;
  /** Final reports: one for each trigger that was neither superseded nor dequeued. */
  readonly reports: number;
  readonly vote: number;
  /** Most builds that may have run: one per trigger, reported or stopped. */
  readonly builds: number;
  /** It went through the gate and must be on its branch; everything else must not. */
  readonly merged?: boolean;
}

export interface Verdict {
  readonly violations: readonly string[];
  readonly patchsets: number;
  readonly reports: number;
  readonly builds: number;
}

export function judge(site: CrashSite, expected: readonly Expected[]): Verdict {
  const marks = readMarks(site.marks);
  const violations = expected.flatMap((wanted) => judgePatchset(site, wanted, marks));
  const known = new Set(expected.map(({ change, patchset }) => `${change},${patchset}`));
  for (const mark of marks) {
    if (mark.runs > 1) violations.push(`build ${mark.uuid} of ${mark.what} ran ${mark.runs} times`);
    if (mark.what !== '?' && !known.has(mark.what))
      violations.push(`build ${mark.uuid} is of ${mark.what}, which nobody pushed`);
  }
  for (const left of livingBuilds(site.dir)) violations.push(`left running: ${left}`);
  const mails = mailsOf(site).size;
  if (mails !== mailsWanted(expected))
    violations.push(
      `${mails} different mails were sent instead of ${mailsWanted(expected)}: ${subjectsOf(site).join('; ')}`,
    );
  violations.push(...(site.machines?.soiled() ?? []));
  const reports = site.gerrit.reviews({ user: CI_USER });
  for (const review of reports) {
    if (!known.has(`${review.number},${review.patchset}`))
      violations.push(`a report on ${review.number},${review.patchset}, which nobody pushed`);
  }
  return { violations, patchsets: expected.length, reports: reports.length, builds: marks.length };
}

/** What fails is mailed by its build and by its pipeline. */
export function mailsWanted(expected: readonly Expected[]): number {
  return 2 * expected.filter(({ vote }) => vote < 0).reduce((sum, { reports }) => sum + reports, 0);
}

/** By Message-ID: a mail whose sending was cut may come again under the same one. */
export function mailsOf({ smtp }: CrashSite): Set<string> {
  return new Set(smtp.received.map(({ text }) => headerOf(text, 'Message-ID') ?? text));
}

function subjectsOf({ smtp }: CrashSite): string[] {
  return smtp.received.map(({ text }) => `${headerOf(text, 'Subject')} (${headerOf(text, 'Message-ID')})`);
}

/** A long header may begin on the line after its name. */
function headerOf(text: string, name: string): string | undefined {
  return new RegExp(`^${name}:\\s*(\\S.*)`, 'im').exec(text)?.[1];
}

function judgePatchset(site: CrashSite, wanted: Expected, marks: readonly Mark[]): string[] {
  const name = `${wanted.change},${wanted.patchset}`;
  const violations: string[] = [];
  const reviews = site.gerrit
    .reviews({ user: CI_USER, change: wanted.change })
    .filter((review) => review.patchset === wanted.patchset);
  if (reviews.length !== wanted.reports)
    violations.push(`${name}: ${reviews.length} reports instead of ${wanted.reports}`);
  for (const review of reviews) {
    const vote = review.labels['Verified'];
    if (vote !== wanted.vote)
      violations.push(`${name}: voted ${vote} instead of ${wanted.vote}: ${firstLines(review.message)}`);
  }
  const isMerged = site.gerrit.change(wanted.change).status === 'MERGED';
  if (isMerged !== (wanted.merged ?? false))
    violations.push(`${name}: ${isMerged ? 'was merged and nobody approved it' : 'was not merged'}`);
  const own = marks.filter((mark) => mark.what === name);
  if (own.length > wanted.builds)
    violations.push(`${name}: ${own.length} builds ran instead of at most ${wanted.builds}`);
  const named = reviews.flatMap((review) => buildsNamed(review.message));
  if (new Set(named).size !== named.length) violations.push(`${name}: one build is named in two reports`);
  for (const logPath of named) violations.push(...judgeBuild(site, wanted, logPath, own));
  return violations;
}

/** A build that a report names ran once, came to its end, and its logs are there, finished. */
function judgeBuild(site: CrashSite, wanted: Expected, logPath: string, own: readonly Mark[]): string[] {
  const short = logPath.split('/').at(-1) ?? '';
  const mark = own.find(({ uuid }) => uuid.startsWith(short));
  if (mark === undefined)
    return [`${wanted.change},${wanted.patchset}: the report names build ${short}, which never ran`];
  const problems = mark.ended ? [] : [`build ${short} was reported and did not come to its end`];
  const folder = join(site.dir, 'data', 'logs', ...logPath.split('/'));
  for (const file of ['console.txt.gz', 'manifest.json']) {
    if (!existsSync(join(folder, file))) problems.push(`build ${short}: ${file} is missing in ${folder}`);
  }
  const afters = wanted.vote < 0 ? 1 : 0;
  if (mark.afters !== afters)
    problems.push(`build ${short}: the step after it ran ${mark.afters} times instead of ${afters}`);
  const copies = site.machines?.copies;
  if (copies !== undefined) {
    const copy = read(join(copies.folder, mark.uuid, 'console.txt'));
    if (!copy.includes('Finished: ')) problems.push(`build ${short}: the copy of its console is not whole`);
  }
  return problems;
}

/** The log path in each job line's URL; its last part is the first digits of the build's uuid. */
function buildsNamed(message: string): string[] {
  return [...message.matchAll(/^- \S+ https?:\/\/\S+\/logs\/(\S+\/[0-9a-f]{7})\/? : /gm)].flatMap(
    ([, path]) => path ?? [],
  );
}

/** Processes that belong to builds of this site: their environment, directory or command names its folder. */
export function livingBuilds(dir: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
    if (command.includes('cli/main.js')) continue;
    const environment = read(`/proc/${pid}/environ`);
    const isBuild = environment.includes('STACKGATE_COOKIE=') && environment.includes(`${dir}/`);
    const isSupervisor = command.includes('supervisor.sh') && command.includes(`${dir}/`);
    if (isBuild || isSupervisor) found.push(`${pid} ${command.slice(0, 120)}`);
  }
  return found;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function firstLines(text: string): string {
  return JSON.stringify(text.split('\n').slice(0, 4).join(' / '));
}
