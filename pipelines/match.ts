import type { Change } from './change.ts';
import type { JobFilter, JobRule, SkipIf } from './layout.ts';
import { match } from './pattern.ts';

/** Why not, in one sentence; `place` is the file:line:column of the rule that decided. */
export interface Reason {
  readonly ok: false;
  readonly why: string;
  readonly place?: string;
}

export function no(why: string, place?: string): Reason {
  return place === undefined ? { ok: false, why } : { ok: false, why, place };
}

/** What a job may run for: a change, an updated ref, or (neither) a timer. */
export interface Subject {
  readonly project: string;
  readonly change?: Pick<Change, 'branch' | 'files'> | undefined;
  readonly ref?: string | undefined;
}

const COMMIT_MESSAGE = '/COMMIT_MSG';

/**
 * Does a job run for this (zuul-v2.md 1.3)? `branch` looks at the change's branch or the ref's name, so a job with `branch`
 * never runs from a timer; `files` looks at the files of a change, so a job with `files` runs for changes only.
 */
export function jobApplies(rule: JobRule, subject: Subject): true | Reason {
  for (const [filter, reasonOf] of FILTERS) {
    const reason = reasonOf(rule, subject);
    if (reason !== undefined) return no(reason, rule.places?.[filter] ?? rule.place);
  }
  return true;
}

const FILTERS: readonly (readonly [JobFilter, (rule: JobRule, subject: Subject) => string | undefined])[] = [
  ['branches', branchReason],
  ['files', filesReason],
  ['skipIf', skipReason],
  ['irrelevantFiles', irrelevantReason],
];

function branchReason(rule: JobRule, subject: Subject): string | undefined {
  if (rule.branches.length === 0) return undefined;
  const branch = subject.change?.branch ?? subject.ref;
  if (branch === undefined) return 'it is limited to branches, and a timer has none';
  if (rule.branches.some((pattern) => match(pattern, branch))) return undefined;
  return `${branch} is none of its branches: ${rule.branches.join(' or ')}`;
}

function filesReason(rule: JobRule, subject: Subject): string | undefined {
  if (rule.files.length === 0) return undefined;
  const { change } = subject;
  if (change === undefined) return 'it is limited to files, and only a change has files';
  if (change.files.some((file) => rule.files.some((pattern) => match(pattern, file)))) return undefined;
  return `no file of the change matches ${rule.files.join(' or ')}`;
}

function skipReason(rule: JobRule, subject: Subject): string | undefined {
  const skip = rule.skipIf.find((each) => skips(each, subject));
  return skip === undefined ? undefined : `skip-if: ${describeSkip(skip)}`;
}

/** All parts that are given must hold; an entry without any always holds, as in Zuul. */
function skips(skip: SkipIf, subject: Subject): boolean {
  const { project, branch, allFilesMatchAny } = skip;
  const on = subject.change?.branch ?? subject.ref;
  if (project !== undefined && !match(project, subject.project)) return false;
  if (branch !== undefined && (on === undefined || !match(branch, on))) return false;
  return allFilesMatchAny.length === 0 || allMatch(allFilesMatchAny, subject.change?.files ?? [], 2);
}

/**
 * Every file matches, the commit message aside. With `least` 2 a change of only one listed file never counts: Zuul's guard for
 * merge commits and for changes of nothing but the message.
 */
function allMatch(patterns: readonly string[], files: readonly string[], least: number): boolean {
  if (files.length < least) return false;
  return files.every((file) => file === COMMIT_MESSAGE || patterns.some((pattern) => match(pattern, file)));
}

function describeSkip(skip: SkipIf): string {
  const parts = [
    skip.project === undefined ? undefined : `the project matches ${skip.project}`,
    skip.branch === undefined ? undefined : `the branch matches ${skip.branch}`,
    skip.allFilesMatchAny.length === 0
      ? undefined
      : `every file matches ${skip.allFilesMatchAny.join(' or ')}`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? 'an empty entry always skips' : parts.join(' and ');
}

function irrelevantReason(rule: JobRule, subject: Subject): string | undefined {
  if (rule.irrelevantFiles.length === 0 || subject.change === undefined) return undefined;
  const files = subject.change.files.filter((file) => file !== COMMIT_MESSAGE);
  if (!allMatch(rule.irrelevantFiles, files, 1)) return undefined;
  return `every file of the change is irrelevant to it: ${rule.irrelevantFiles.join(' or ')}`;
}
