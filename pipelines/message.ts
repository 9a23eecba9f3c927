import type { ReportAction } from './action.ts';
import type { Change } from './change.ts';
import { pythonFormat } from './format.ts';
import { type Build, type Done, type Item, subjectName } from './item.ts';
import type { Pipeline } from './layout.ts';
import { own } from './own.ts';
import { baseLogPath } from './params.ts';
import { reasonsOf } from './reasons.ts';
import type { Rules } from './rules.ts';
import { unreachable } from './unreachable.ts';
import { flatten, isVoting, jobsOf } from './verdict.ts';

/**
 * The comment people read on a change. Its form is read by programs too: Gerrit's results tab, ciwatch and Cinder's
 * reporter look for `(check pipeline)` in the header, an empty second line, and from line 3 on
 * `- job url : RESULT in 1m 02s (non-voting)`. Longer than Gerrit stores it would be refused as a whole.
 */

export type Phase = ReportAction['phase'];

/** Gerrit's `change.commentSizeLimit` is 16,384. */
const MOST = 16_000;

export const dependsMessage = 'This change depends on a change that failed to merge.\n';

export interface Ending {
  readonly phase: Exclude<Phase, 'start' | 'dequeue' | 'disabled'>;
  /** It left because what it needs did not merge. */
  readonly needs: boolean;
}

export function startMessage(rules: Rules, pipeline: Pipeline): string {
  const lines = [pipeline.messages.start ?? `Starting ${pipeline.name} jobs.`];
  if (rules.settings.statusUrl !== undefined) lines.push(rules.settings.statusUrl);
  return withFooter(lines.join('\n'), pipeline);
}

export function endMessage(
  rules: Rules,
  pipeline: Pipeline,
  item: Item,
  change: Change | undefined,
  ending: Ending,
): string {
  const { messages } = pipeline;
  const jobs = () => jobLines(rules, pipeline, item, change);
  switch (ending.phase) {
    case 'success':
      return fit(header(rules, pipeline, messages.success), jobs(), messages.footer);
    case 'merge-failure':
      return withFooter(mergeFailure(rules, pipeline, item), pipeline);
    case 'failure':
      if (ending.needs) return withFooter(dependsMessage, pipeline);
      return fit(header(rules, pipeline, messages.failure), jobs(), footer(rules, item, messages.footer));
  }
  return unreachable(ending.phase);
}

/** Why jobs failed, then the footer of the site. */
function footer(rules: Rules, item: Item, text: string): string {
  const reasons = rules.quirk('zuul-message') ? [] : reasonsOf(item);
  return [reasons.map((line) => `${line}\n`).join(''), text].filter((part) => part !== '').join('\n');
}

/** `Build succeeded.` becomes `Build succeeded (check pipeline).`; other words of the site stay as they are. */
function header(rules: Rules, pipeline: Pipeline, text: string): string {
  if (rules.quirk('zuul-message')) return text;
  return text.replace(/^(Build \w+)\.(?=\s|$)/, `$1 (${pipeline.name} pipeline).`);
}

function mergeFailure(rules: Rules, pipeline: Pipeline, item: Item): string {
  const { mergeFailure: text } = pipeline.messages;
  const { merge } = item.set;
  if (rules.quirk('zuul-message')) return text;
  if (merge.phase === 'failed') return `${text}\n\n${merge.reason}`;
  if (merge.phase !== 'conflict') return text;
  const own = merge.change === subjectName(item.subject);
  const files = merge.files.slice(0, 20).map((file) => `- ${file}`);
  const who = own ? 'It conflicts in:' : `Change ${merge.change}, which comes before it, conflicts in:`;
  return files.length === 0 ? text : `${text}\n\n${who}\n${files.join('\n')}`;
}

function withFooter(text: string, pipeline: Pipeline): string {
  const { footer } = pipeline.messages;
  return footer === '' ? text : `${text}\n${footer}`;
}

/** Keeps header, footer and as many job lines from both ends as fit. */
function fit(head: string, lines: readonly string[], footer: string): string {
  const foot = footer === '' ? '' : `\n${footer}`;
  const whole = `${head}\n\n${lines.map((line) => `${line}\n`).join('')}${foot}`;
  if (whole.length <= MOST) return whole;
  const room = MOST - head.length - foot.length - 200;
  const first: string[] = [];
  const last: string[] = [];
  let used = 0;
  for (let at = 0; at < lines.length; at++) {
    const fromFront = at % 2 === 0;
    const line = fromFront ? lines[at / 2] : lines[lines.length - (at + 1) / 2];
    if (line === undefined || used + line.length + 1 > room) break;
    used += line.length + 1;
    (fromFront ? first : last).push(line);
  }
  const dropped = lines.length - first.length - last.length;
  const shown = [...first, `(${dropped} more jobs: see the status page.)`, ...last.reverse()];
  const text = `${head}\n\n${shown.map((line) => `${line}\n`).join('')}${foot}`;
  return text.length <= MOST ? text : `${text.slice(0, MOST - foot.length - 1)}\n${foot}`.slice(0, MOST);
}

function jobLines(rules: Rules, pipeline: Pipeline, item: Item, change: Change | undefined): string[] {
  const jobs = rules.quirk('every-line-of-job') && item.live ? flatten(item.jobs) : jobsOf(item);
  return jobs.map((job) => {
    const build = own(item.set.builds, job);
    const { result, url } = jobResult(rules, pipeline, item, change, job);
    const name = rules.settings.jobNameInReport ? `${job} ` : '';
    const voting = isVoting(rules.layout, job) ? '' : ' (non-voting)';
    const time = rules.settings.reportTimes ? elapsed(build) : '';
    return `- ${name}${url} : ${result}${time}${voting}`;
  });
}

/** Word and link of a job in a report. */
export function jobResult(
  rules: Rules,
  pipeline: Pipeline,
  item: Item,
  change: Change | undefined,
  job: string,
): { result: string; url: string } {
  const build = own(item.set.builds, job);
  const rule = own(rules.layout.jobs, job);
  const done = build?.phase === 'done' ? build : undefined;
  let result = done?.result ?? 'LOST';
  let pattern = rules.settings.urlPattern;
  if (result === 'SUCCESS') {
    result = rule?.successMessage ?? result;
    pattern = rule?.successPattern ?? pattern;
  } else if (result === 'FAILURE') {
    result = rule?.failureMessage ?? result;
    pattern = rule?.failurePattern ?? pattern;
  }
  const url =
    pattern === undefined ? undefined : pythonFormat(pattern, names(pipeline, item, change, job, done));
  return { result, url: url ?? done?.url ?? pageOf(rules, done) ?? job };
}

/** A job that never ran has no log, but a page that says why. */
function pageOf(rules: Rules, done: Done | undefined): string | undefined {
  const { statusUrl } = rules.settings;
  if (done?.launched === undefined || statusUrl === undefined || rules.quirk('zuul-message'))
    return undefined;
  return `${statusUrl.replace(/\/$/, '')}/build/${done.launched.uuid}`;
}

/** What a pattern may speak of. */
function names(
  pipeline: Pipeline,
  item: Item,
  change: Change | undefined,
  job: string,
  build: Done | undefined,
): Record<string, unknown> {
  const { subject } = item;
  const launched = build?.launched;
  const about =
    subject.kind === 'change'
      ? {
          number: subject.number,
          patchset: subject.patchset,
          branch: subject.branch,
          project: subject.project,
          url: change?.url ?? null,
          refspec: change?.ref ?? null,
          status: change?.status ?? null,
        }
      : subject.kind === 'ref'
        ? { project: subject.project, ref: subject.ref, oldrev: subject.oldRev, newrev: subject.newRev }
        : { project: subject.project };
  return {
    change: about,
    pipeline: { name: pipeline.name, description: pipeline.description ?? null },
    job: { name: job },
    build: {
      uuid: launched?.uuid ?? null,
      number: launched?.number ?? null,
      result: build?.result ?? null,
      url: build?.url ?? null,
      parameters:
        launched === undefined
          ? {}
          : {
              LOG_PATH: launched.logPath,
              BASE_LOG_PATH: baseLogPath(item),
              ZUUL_UUID: launched.uuid,
              ZUUL_PIPELINE: item.pipeline,
              ZUUL_PROJECT: subject.project,
              ...item.run?.params,
            },
    },
  };
}

/** ` in 1h 02m 03s`, ` in 2m 03s`, ` in 5s`; nothing for a job that never ran. */
function elapsed(build: Build | undefined): string {
  if (build?.phase !== 'done' || build.launched === undefined) return '';
  const { startedAt, finishedAt } = build;
  if (startedAt === undefined || finishedAt === undefined) return '';
  return ` in ${duration(finishedAt - startedAt)}`;
}

export function duration(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  if (h > 0) return `${h}h ${two(m)}m ${two(s)}s`;
  return m > 0 ? `${m}m ${two(s)}s` : `${s}s`;
}
