import { didYouMean } from '../jobs/problem.ts';
import type { Change } from './change.ts';
import type { GerritEvent } from './event.ts';
import type { GerritTrigger, JobTree, Layout, Pipeline, ProjectRule, Trigger } from './layout.ts';
import { jobApplies, no, type Reason, type Subject } from './match.ts';
import { own } from './own.ts';
import { match } from './pattern.ts';
import type { SiteSettings } from './ports.ts';
import { approvalsSatisfy, canMerge, describeApproval, meets, signed } from './require.ts';
import { isOwn } from './rules.ts';
import { triggerWants } from './trigger.ts';

/**
 * Why something happens, or does not: which pipelines want an event or would take a change, by which trigger and requirement,
 * and which of their jobs run, each with the place of the rule that decided. It asks the same functions as the kernel
 * and decides nothing itself.
 */

export interface Explained {
  readonly verdict: 'yes' | 'no';
  readonly text: string;
  /** file:line:column of the rule that decided. */
  readonly place?: string;
  readonly children: readonly Explained[];
}

/**
 * What an event would start. `change` is the change it is about, where it is about one; `now` in ms; `settings` know our own
 * usernames, and who is a CI.
 */
export function explainEvent(
  layout: Layout,
  event: GerritEvent,
  change: Change | undefined,
  now: number,
  settings: Who = { accounts: {} },
): Explained {
  const { project, ref } = event;
  const about =
    change === undefined
      ? (ref ?? 'no change')
      : `change ${change.number},${change.patchset} on ${change.branch}`;
  const who = event.account?.username ?? event.account?.email ?? event.account?.name;
  const title = `${event.type}${who === undefined ? '' : ` by ${who}`}: ${project ?? 'no project'}, ${about}`;
  const ask: Ask = (trigger) => askTrigger({ layout, settings, event, change, now }, trigger);
  return overPipelines(layout, { project, change }, title, (pipeline, rule) => {
    const asked = explainTriggers(pipeline, ask);
    const subject: Subject = { project: rule.name, change, ref: change === undefined ? ref : undefined };
    return explainPipeline(layout, pipeline, rule, subject, change, now, asked);
  });
}

/** Which pipelines would take a change if they were asked, and what they would run for it. */
export function explainChange(layout: Layout, change: Change, now: number): Explained {
  const { number, patchset, project, branch } = change;
  const title = `change ${number},${patchset}: ${project}, branch ${branch}`;
  return overPipelines(layout, { project, change }, title, (pipeline, rule) =>
    explainPipeline(
      layout,
      pipeline,
      rule,
      { project, change },
      change,
      now,
      explainStarts(pipeline, change),
    ),
  );
}

function overPipelines(
  layout: Layout,
  { project, change }: { readonly project: string | undefined; readonly change: Change | undefined },
  title: string,
  explain: (pipeline: Pipeline, rule: ProjectRule) => Explained,
): Explained {
  const rule =
    project !== undefined && Object.hasOwn(layout.projects, project) ? layout.projects[project] : undefined;
  if (rule === undefined) return node('no', title, undefined, [unknownProject(layout, project)]);
  const isIn = ({ name }: Pipeline) => Object.hasOwn(rule.pipelines, name);
  const children = layout.pipelines.filter(isIn).map((pipeline) => explain(pipeline, rule));
  const others = layout.pipelines.filter((pipeline) => !isIn(pipeline)).map(({ name }) => name);
  const wanted = children.some((child) => child.verdict === 'yes');
  if (others.length > 0)
    children.push(node('no', `${rule.name} has no jobs in ${others.join(', ')}`, rule.place));
  children.push(...explainElsewhere(layout, change));
  return node(wanted ? 'yes' : 'no', title, rule.place, children);
}

function unknownProject(layout: Layout, project: string | undefined): Explained {
  if (project === undefined) return node('no', 'it is about no project');
  const near = didYouMean(project, Object.keys(layout.projects));
  const hint = near === undefined ? '' : `; there is ${near}`;
  return node('no', `the layout has no project ${project}${hint}`);
}

function explainPipeline(
  layout: Layout,
  pipeline: Pipeline,
  rule: ProjectRule,
  subject: Subject,
  change: Change | undefined,
  now: number,
  asked: Explained,
): Explained {
  const title = `pipeline ${pipeline.name}`;
  const place = layout.places[title];
  const trees = rule.pipelines[pipeline.name] ?? [];
  const conditions = [
    asked,
    ...(change === undefined ? [] : explainConditions(layout, pipeline, change, now)),
  ];
  const jobs = trees.map((tree) => explainJob(layout, tree, subject));
  const verdicts = jobs.flatMap(allVerdicts);
  const running = verdicts.filter((verdict) => verdict === 'yes').length;
  if (running === 0)
    return node('no', title, place, [...conditions, node('no', 'none of its jobs applies', undefined, jobs)]);
  if (conditions.every((condition) => condition.verdict === 'yes'))
    return node('yes', title, place, [...conditions, ...jobs]);
  const would = `if it took it, ${running} of ${verdicts.length} jobs would run`;
  return node('no', title, place, [...conditions, node('yes', would, undefined, jobs)]);
}

/** What could start a pipeline for a change at all. */
function explainStarts(pipeline: Pipeline, change: Change): Explained {
  const starts = pipeline.triggers.filter((trigger) => canStart(trigger, change));
  if (starts.length > 0) {
    const places = starts.map(({ place }) => place);
    return node('yes', `started by ${starts.map(describeTrigger).join('; or by ')}`, places[0]);
  }
  const triggers = pipeline.triggers.map(describeTrigger);
  if (triggers.length === 0) return node('no', 'it has no triggers: only people put changes into it');
  return node('no', `no event about this change starts it: it waits for ${triggers.join('; or ')}`);
}

function canStart(trigger: Trigger, { branch }: Change): boolean {
  if (trigger.kind === 'timer') return false;
  if (trigger.kind === 'zuul') return true;
  const { events, branches } = trigger;
  return (
    events.some((type) => type !== 'ref-updated') &&
    (branches.length === 0 || branches.some((pattern) => match(pattern, branch)))
  );
}

/** A trigger in words: `comment-added with a comment that matches (?i)^recheck, by jenkins`. */
export function describeTrigger(trigger: Trigger): string {
  if (trigger.kind === 'timer') return `timer ${trigger.time}`;
  if (trigger.kind === 'zuul') {
    const of = trigger.pipelines.length === 0 ? '' : ` in ${trigger.pipelines.join(' or ')}`;
    return `${trigger.events.join(', ')}${of}`;
  }
  const { events, branches, refs, approvals, comments, usernames, emails } = trigger;
  const either = (what: string, patterns: readonly string[]) =>
    patterns.length === 0 ? [] : [`${what} ${patterns.join(' or ')}`];
  const filters = [
    ...approvals.map(({ label, value }) => `with ${label} ${signed(value)}`),
    ...either('with a comment that matches', comments),
    ...either('by a username that matches', usernames),
    ...either('by an e-mail address that matches', emails),
    ...either('on branch', branches),
    ...either('of ref', refs),
    ...trigger.requireApprovals.map((rule) => `where there is ${describeApproval(rule)}`),
    ...trigger.rejectApprovals.map((rule) => `where there is no ${describeApproval(rule)}`),
  ];
  return [events.join(', '), ...filters].join(' ');
}

type Ask = (trigger: GerritTrigger) => true | Reason;

function explainTriggers(pipeline: Pipeline, ask: Ask): Explained {
  const answers = pipeline.triggers.map((trigger) => {
    if (trigger.kind !== 'gerrit')
      return node('no', `${trigger.kind} trigger: no event of Gerrit's`, trigger.place);
    return answer(`trigger on ${trigger.events.join(', ')}`, ask(trigger), trigger.place);
  });
  if (answers.length === 0) return node('no', 'it has no triggers');
  const wanting = answers.find((each) => each.verdict === 'yes');
  return wanting ?? node('no', 'no trigger wants the event', undefined, answers);
}

/** What the site says of accounts. */
type Who = Pick<SiteSettings, 'accounts' | 'known'>;

interface Asked {
  readonly layout: Layout;
  readonly settings: Who;
  readonly event: GerritEvent;
  readonly change: Change | undefined;
  readonly now: number;
}

function askTrigger({ layout, settings, event, change, now }: Asked, trigger: GerritTrigger): true | Reason {
  const wants = triggerWants(trigger, event, layout.quirks, own(settings.known, event.connection));
  if (wants !== true) return wants;
  if (trigger.comments.length > 0 && isOwn(settings.accounts, event))
    return no('we wrote it ourselves, and what we write starts nothing by its text', trigger.place);
  if (change === undefined) return true;
  return approvalsSatisfy(trigger.requireApprovals, trigger.rejectApprovals, change, now, layout.quirks);
}

/** `Depends-On:` lines that change nothing: their author counts on them. */
function explainElsewhere(layout: Layout, change: Change | undefined): Explained[] {
  const why =
    layout.dialect === 'stackgate'
      ? 'it names no change of this Gerrit'
      : 'in this dialect only Change-Ids count';
  return (change?.elsewhere ?? []).map((text) => node('no', `Depends-On ${text} is passed over: ${why}`));
}

function explainConditions(layout: Layout, pipeline: Pipeline, change: Change, now: number): Explained[] {
  const conditions = requires(pipeline)
    ? [answer('requirements', meets(pipeline, change, now, layout.quirks))]
    : [];
  if (pipeline.manager === 'dependent') {
    const labels = pipeline.success.flatMap((reporter) => Object.keys(reporter.labels));
    conditions.push(answer('submittable', canMerge(change, new Set(labels))));
  }
  return conditions;
}

function requires({ require, reject, trust }: Pipeline): boolean {
  const { approvals, status, ...rest } = require;
  const lists = [approvals, status, reject.approvals, Object.keys(rest)];
  return trust !== undefined || lists.some((list) => list.length > 0);
}

function explainJob(layout: Layout, tree: JobTree, subject: Subject): Explained {
  const rule = Object.hasOwn(layout.jobs, tree.job) ? layout.jobs[tree.job] : undefined;
  const children = tree.children.map((child) => explainJob(layout, child, subject));
  if (rule === undefined)
    return node('no', `job ${tree.job}: the layout does not know it`, undefined, children);
  const applies = jobApplies(rule, subject);
  if (applies !== true) return node('no', `job ${tree.job}: ${applies.why}`, applies.place, children);
  return node('yes', `job ${tree.job}${rule.voting ? '' : ' (non-voting)'}`, rule.place, children);
}

function allVerdicts({ verdict, children }: Explained): Explained['verdict'][] {
  return [verdict, ...children.flatMap(allVerdicts)];
}

function answer(name: string, reason: true | Reason, place?: string): Explained {
  if (reason === true) return node('yes', name, place);
  return node('no', `${name}: ${reason.why}`, reason.place ?? place);
}

function node(
  verdict: Explained['verdict'],
  text: string,
  place?: string,
  children: readonly Explained[] = [],
): Explained {
  return { verdict, text, ...(place === undefined ? {} : { place }), children };
}

const SIGNS = { yes: '+', no: '-' } as const;

/**
 * Plain text: a line each, `+` or `-` before it, the place of the rule behind it. The jobs of a pipeline that says no are
 * left out unless `whole`.
 */
export function renderExplained(explained: Explained, whole = true): string {
  const lines: string[] = [];
  const add = ({ verdict, text, place, children }: Explained, depth: number, above?: Explained): void => {
    const where = place === undefined ? '' : `  [${place}]`;
    lines.push(`${'  '.repeat(depth)}${SIGNS[verdict]} ${printable(text)}${where}`);
    if (!whole && depth === PIPELINE_PARTS && above?.verdict === 'no' && verdict === 'yes') return;
    for (const child of children) add(child, depth + 1, { verdict, text, children });
  };
  add(explained, 0);
  return lines.join('\n');
}
const PIPELINE_PARTS = 2;

/** Names of branches and files come from strangers: nothing of theirs may drive a terminal. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is replaced
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '.');
}
