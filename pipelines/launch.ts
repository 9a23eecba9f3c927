import type { AcquireAction, NodeSpec } from './action.ts';
import { stopTriggered } from './cancel.ts';
import { noteBuild } from './history.ts';
import { realms, uuid } from './ids.ts';
import type { Build, Item, Launched } from './item.ts';
import type { JobTree } from './layout.ts';
import { giveLocks, takeLock } from './lock.ts';
import { own } from './own.ts';
import { logPathOf, paramsOf, ruleOf } from './params.ts';
import { change, mustItem, stackOf } from './queue.ts';
import type { Rules } from './rules.ts';
import { below, flatten, jobsOf, resultOf, startable } from './verdict.ts';
import { count, type Draft, drop, nowOf, put, siteRow } from './world.ts';

/** From a ready item to running builds, and from their ends to results. */

/** Starts every job that may start. True when something became of it at once, so that more may start. */
export function launchJobs(draft: Draft, rules: Rules, item: Item): boolean {
  if (!item.live || isHeldBack(draft, rules, item)) return false;
  const jobs = startable(item.jobs, item.set.builds, (job) => takeLocks(draft, rules, item, job));
  let settled = false;
  for (const job of jobs) settled = launch(draft, rules, mustItem(draft, item.id), job) || settled;
  return settled;
}

function takeLocks(draft: Draft, rules: Rules, item: Item, job: string): boolean {
  const rule = own(rules.layout.jobs, job);
  const holder = { item: item.id, job, queue: item.queue };
  if (rule?.mutex !== undefined && !takeLock(draft, { name: rule.mutex, count: 1 }, holder)) return false;
  if (rule?.semaphore !== undefined && !takeLock(draft, rule.semaphore, holder)) {
    giveLocks(draft, item.id, job);
    return false;
  }
  return true;
}

/** hold-following-changes: nothing starts while such a job of any live item ahead has not succeeded yet. */
function isHeldBack(draft: Draft, rules: Rules, item: Item): boolean {
  for (let id = item.ahead; id !== null; ) {
    const ahead = mustItem(draft, id);
    if (!ahead.live) return false;
    for (const job of jobsOf(ahead)) {
      if (own(rules.layout.jobs, job)?.holdFollowingChanges !== true) continue;
      if (resultOf(own(ahead.set.builds, job)) !== 'SUCCESS') return true;
    }
    id = ahead.ahead;
  }
  return false;
}

function nodesOf(rules: Rules, job: string): NodeSpec {
  const spec = own(rules.config.needs, job) ?? { label: '' };
  const label = ruleOf(rules, job)?.node;
  return label === undefined ? spec : { ...spec, label };
}

function launch(draft: Draft, rules: Rules, item: Item, job: string): boolean {
  if (job === 'noop') return settle(draft, rules, item, { phase: 'done', job, result: 'SUCCESS' });
  if (own(rules.config.jobs, job) === undefined) {
    const detail = 'no definition of this job is known';
    return settle(draft, rules, item, { phase: 'done', job, result: 'NOT_REGISTERED', detail });
  }
  const { site } = siteRow(draft.tables);
  const id = uuid(site, realms.build, count(draft, 'build'));
  const launched: Launched = {
    uuid: id,
    number: count(draft, `number ${job}`),
    job,
    launchedAt: nowOf(draft),
    logPath: logPathOf(item, job, id),
  };
  const params = paramsOf(draft, rules, item, job, id);
  const pipeline = rules.pipelines.get(item.pipeline)?.pipeline;
  const acquire: AcquireAction = {
    kind: 'acquire',
    id: `acquire-${id}`,
    build: `build-${id}`,
    job,
    pipeline: item.pipeline,
    precedence: pipeline?.precedence ?? 'normal',
    nodes: nodesOf(rules, job),
  };
  draft.actions.push(acquire);
  put(draft, 'pending', acquire.id, { kind: 'acquire', item: item.id, job, params });
  setBuild(draft, item.id, { ...launched, phase: 'waiting', acquire: acquire.id });
  return false;
}

export function setBuild(draft: Draft, itemId: string, build: Build): void {
  const item = mustItem(draft, itemId);
  change(draft, itemId, { set: { ...item.set, builds: { ...item.set.builds, [build.job]: build } } });
  draft.dirty.add(item.queue);
}

/** Gives a job its result; the jobs under it cannot run unless it is SUCCESS. */
export function settle(draft: Draft, rules: Rules, item: Item, done: Build & { phase: 'done' }): true {
  setBuild(draft, item.id, done);
  giveLocks(draft, item.id, done.job);
  if (done.result !== 'SUCCESS') {
    skip(draft, item.id, below(treeOf(rules, item), done.job), `${done.job} did not succeed`);
  }
  return true;
}

/** Marks jobs as not to be run. A job that stands under two parents may run already: then its end counts. */
function skip(draft: Draft, itemId: string, jobs: readonly string[], detail: string): void {
  const item = mustItem(draft, itemId);
  const builds: Record<string, Build> = { ...item.set.builds };
  for (const job of jobs) {
    if (own(builds, job) === undefined) builds[job] = { phase: 'done', job, result: 'SKIPPED', detail };
  }
  change(draft, itemId, { set: { ...item.set, builds } });
  draft.dirty.add(item.queue);
}

export function skipAll(draft: Draft, rules: Rules, itemId: string, detail: string): void {
  skip(draft, itemId, flatten(treeOf(rules, mustItem(draft, itemId))), detail);
}

function treeOf(rules: Rules, item: Item): readonly JobTree[] {
  if (!rules.quirk('skips-unwanted-jobs')) return item.jobs;
  return own(rules.layout.projects, item.subject.project)?.pipelines[item.pipeline] ?? item.jobs;
}

/**
 * A build ended without a verdict: its node or supervisor vanished. It is run again until the job’s attempts are used up; they
 * are counted per build set.
 */
export function retry(
  draft: Draft,
  rules: Rules,
  item: Item,
  build: Build & Launched,
  reason: string,
): string {
  const { job } = build;
  stopTriggered(draft, build.uuid);
  const tries = (own(item.set.tries, job) ?? 0) + 1;
  const finishedAt = nowOf(draft);
  const attempts = own(rules.layout.jobs, job)?.attempts ?? 3;
  if (tries >= attempts) {
    const { uuid: id, number, launchedAt, logPath } = build;
    const launched = { uuid: id, number, job, launchedAt, logPath };
    const url =
      build.phase === 'running' ? { url: build.url, node: build.node, startedAt: build.startedAt } : {};
    const known = { result: 'RETRY_LIMIT', detail: reason };
    const end = { ...known, finishedAt, ...url };
    const forgotten = rules.quirk('lost-builds-forgotten');
    noteBuild(draft, item, { ...launched, ...end });
    settle(draft, rules, item, { phase: 'done', job, ...(forgotten ? known : { launched, ...end }) });
    return `${job} was lost ${tries} times`;
  }
  noteBuild(draft, item, { ...build, result: 'LOST', detail: reason, finishedAt });
  giveLocks(draft, item.id, job);
  const { [job]: _lost, ...builds } = item.set.builds;
  change(draft, item.id, { set: { ...item.set, builds, tries: { ...item.set.tries, [job]: tries } } });
  draft.dirty.add(item.queue);
  return `${job} was lost, run again`;
}

/** Asks for the speculative merge of an item on top of those ahead. */
export function askMerge(draft: Draft, rules: Rules, item: Item): void {
  const pipeline = rules.pipelines.get(item.pipeline)?.pipeline;
  const stack = [...stackOf(draft, item), item].flatMap((each) => {
    const { subject } = each;
    if (subject.kind !== 'change') return [];
    const found = draft.tables.changes.get(`${subject.connection}/${subject.number}`)?.patchsets[
      subject.patchset
    ];
    if (found === undefined) return [];
    const ref = each.set.ref ?? nameRef(draft, each.id, subject.branch);
    return [
      {
        connection: found.connection,
        project: found.project,
        branch: found.branch,
        number: found.number,
        patchset: found.patchset,
        refspec: found.ref,
        revision: found.revision,
        mode: own(rules.layout.projects, found.project)?.mergeMode ?? ('merge-resolve' as const),
        ref,
      },
    ];
  });
  const asking = mustItem(draft, item.id);
  const id = `merge-${(asking.set.ref ?? '').split('/').at(-1) ?? ''}`;
  draft.actions.push({ kind: 'merge', id, precedence: pipeline?.precedence ?? 'normal', stack });
  put(draft, 'pending', id, { kind: 'merge', item: item.id });
  change(draft, item.id, { set: { ...asking.set, merge: { phase: 'asked', action: id } } });
}

/** One ref per build set: a ref never changes its meaning. */
function nameRef(draft: Draft, itemId: string, branch: string): string {
  const { site } = siteRow(draft.tables);
  const ref = `refs/zuul/${branch}/Z${uuid(site, realms.ref, count(draft, 'ref'))}`;
  const { set } = mustItem(draft, itemId);
  change(draft, itemId, { set: { ...set, ref } });
  return ref;
}

export function forget(draft: Draft, action: string): void {
  drop(draft, 'pending', action);
}
