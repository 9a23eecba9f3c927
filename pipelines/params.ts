import type { Change } from './change.ts';
import { findChange } from './depend.ts';
import type { Item } from './item.ts';
import { own } from './own.ts';
import type { ParameterRule } from './ports.ts';
import { stackOf } from './queue.ts';
import type { Rules } from './rules.ts';
import { unreachable } from './unreachable.ts';
import { isVoting } from './verdict.ts';
import type { Draft } from './world.ts';

/** ZUUL_* as Zuul 2.6 gave them to every build. */

/** `34/1234/5` of a change, `ab/abcdef.../` of a ref, empty for a timer. */
export function baseLogPath(item: Item): string {
  const { subject } = item;
  switch (subject.kind) {
    case 'change':
      return `${subject.number.slice(-2)}/${subject.number}/${subject.patchset}`;
    case 'ref':
      return `${subject.newRev.slice(0, 2)}/${subject.newRev}`;
    case 'timer':
    case 'none':
      return '';
  }
  return unreachable(subject);
}

export function logPathOf(item: Item, job: string, uuid: string): string {
  const base = baseLogPath(item);
  return `${base === '' ? '' : `${base}/`}${item.pipeline}/${job}/${uuid.slice(0, 7)}`;
}

export function paramsOf(
  draft: Draft,
  rules: Rules,
  item: Item,
  job: string,
  uuid: string,
): Record<string, string> {
  const { subject, set } = item;
  const merged = set.merge.phase === 'merged' ? set.merge : undefined;
  // What the build is called and where it writes; a person who runs a job may say everything else.
  const fixed = {
    ZUUL_UUID: uuid,
    ZUUL_PIPELINE: item.pipeline,
    BASE_LOG_PATH: baseLogPath(item),
    LOG_PATH: logPathOf(item, job, uuid),
  };
  const params: Record<string, string> = {
    ZUUL_PROJECT: subject.project,
    ZUUL_URL: merged?.url ?? rules.settings.gitUrl,
    ZUUL_VOTING: isVoting(rules.layout, job) ? '1' : '0',
  };
  if (subject.kind === 'change') {
    const stack = [...stackOf(draft, item), item].flatMap((each) => changeOf(draft, each) ?? []);
    params.ZUUL_BRANCH = subject.branch;
    params.ZUUL_CHANGE = subject.number;
    params.ZUUL_PATCHSET = subject.patchset;
    params.ZUUL_CHANGES = stack.map((each) => `${each.project}:${each.branch}:${each.ref}`).join('^');
    params.ZUUL_CHANGE_IDS = stack.map((each) => `${each.number},${each.patchset}`).join(' ');
    if (set.ref !== undefined) params.ZUUL_REF = set.ref;
    if (merged !== undefined) params.ZUUL_COMMIT = merged.commit;
  }
  if (subject.kind === 'ref') {
    params.ZUUL_REF = subject.ref;
    params.ZUUL_REFNAME = subject.ref;
    params.ZUUL_OLDREV = subject.oldRev;
    params.ZUUL_NEWREV = subject.newRev;
    params.ZUUL_COMMIT = subject.newRev;
  }
  return { ...ruled(params, ruleOf(rules, job)), ...item.run?.params, ...fixed };
}

export function changeOf(draft: Draft, item: Item): Change | undefined {
  return item.subject.kind === 'change' ? findChange(draft.tables, item.subject) : undefined;
}

/** The declared rule that stands for the job's parameter function. */
export function ruleOf(rules: Rules, job: string): ParameterRule | undefined {
  const name = own(rules.layout.jobs, job)?.parameterFunction;
  return name === undefined ? undefined : own(rules.settings.parameterRules, name);
}

function ruled(
  params: Readonly<Record<string, string>>,
  rule: ParameterRule | undefined,
): Record<string, string> {
  const all: Record<string, string> = { ...params };
  for (const [name, text] of Object.entries(rule?.set ?? {})) {
    all[name] = text.replace(/\{(\w+)\}/g, (whole, key: string) => own(params, key) ?? whole);
  }
  for (const name of rule?.unset ?? []) delete all[name];
  return all;
}
