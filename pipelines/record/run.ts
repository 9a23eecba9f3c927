import type { Change } from '../change.ts';
import { add, subjectOf } from '../enqueue.ts';
import type { Subject } from '../item.ts';
import { own } from '../own.ts';
import { type Rules, runPipeline } from '../rules.ts';
import { flatten } from '../verdict.ts';
import type { Draft, Errand } from '../world.ts';

type RunErrand = Extract<Errand, { kind: 'Run' }>;

/** One job, run because a person asked, on a change or on nothing. */
export function addRun(
  draft: Draft,
  rules: Rules,
  run: Omit<RunErrand, 'kind' | 'number' | 'patchset'>,
  change: Change | undefined,
): string {
  const pipeline = rules.pipelines.get(runPipeline)?.pipeline;
  if (pipeline === undefined) return `no pipeline ${runPipeline}`;
  const { request, by, job, params, sealed, upstream, vote } = run;
  if (own(rules.config.jobs, job) === undefined) return `no job ${job}`;
  const subject: Subject =
    change === undefined
      ? { kind: 'none', connection: '', project: params.ZUUL_PROJECT ?? '', request }
      : subjectOf(change);
  const reportAs = vote && change !== undefined ? speakerOf(rules, change.project, job) : undefined;
  const { note } = add(draft, rules, pipeline, subject, {
    ignoreRequirements: true,
    jobs: [{ job, children: [] }],
    quiet: true,
    run: {
      request,
      by,
      params,
      ...(sealed === undefined ? {} : { sealed }),
      ...(upstream === undefined ? {} : { upstream }),
      ...(reportAs === undefined ? {} : { reportAs }),
    },
  });
  return vote && reportAs === undefined && change !== undefined
    ? `${note}; no pipeline runs ${job} for ${change.project}, so nothing will be voted`
    : note;
}

/** The first pipeline that runs a job for a project. */
function speakerOf(rules: Rules, project: string, job: string): string | undefined {
  const trees = own(rules.layout.projects, project)?.pipelines ?? {};
  return rules.layout.pipelines.find(({ name }) => flatten(trees[name] ?? []).includes(job))?.name;
}
