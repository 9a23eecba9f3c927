import { signal } from '@preact/signals';
import type { ZuulItem, ZuulJob } from '../../server/contract.ts';
import { duration, plain, safeUrl } from '../format.ts';
import { pathOf } from '../router.ts';
import { ItemActions } from './actions.tsx';
import { type Kind, kindOfJob, NonVoting, Sign } from './result.tsx';
import { Left, Progress, Since } from './time.tsx';

/** One item of a queue: a change, how far its jobs are, and why it waits. */

interface ItemProps {
  readonly pipeline: string;
  readonly item: ZuulItem;
  /** Id of the item drawn above. */
  readonly above: string | null;
  /** Id that the item drawn below stands on. */
  readonly below: string | null;
  readonly open: boolean;
  /** Its place in the queue means something. */
  readonly ordered: boolean;
}

/** Folded or unfolded by hand. */
const chosen = signal<ReadonlyMap<string, boolean>>(new Map());

export function ItemRow({ pipeline, item, above, below, open, ordered }: ItemProps) {
  const id = `${pipeline} ${item.project} ${item.id ?? ''}`;
  const unfolded = chosen.value.get(id) ?? open;
  const toggle = () => (chosen.value = new Map(chosen.value).set(id, !unfolded));
  const ahead = item.item_ahead ?? null;
  const kind = kindOfItem(item);
  const stands = ahead !== null && ahead === above;
  return (
    <li
      class={`item is-${kind} ${stands ? 'stands' : ''} ${below !== null && below === item.id ? 'carries' : ''}`}
    >
      <span class="rail" aria-hidden="true">
        <Sign kind={kind} />
      </span>
      <div class="row">
        <div class="what">
          <div class="subject">
            {item.id === null ? (
              <b>ref</b>
            ) : (
              <a href={/^\d+,\d+$/.test(item.id) ? pathOf('change', item.id) : (safeUrl(item.url) ?? '/')}>
                {item.id.slice(0, 12)}
              </a>
            )}
            <bdi>{plain(item.subject ?? '', 160)}</bdi>
          </div>
          <div class="dim meta">
            <bdi>{plain(item.project, 120)}</bdi>
            {item.branch === null || item.branch === undefined ? null : <bdi>{plain(item.branch, 80)}</bdi>}
            {item.owner?.name == null ? null : <bdi>{plain(item.owner.name, 60)}</bdi>}
            {ahead !== null && !stands ? <span>on top of {ahead}</span> : null}
            {item.live ? null : <span>only here for those behind it</span>}
            {item.waiting == null ? null : <span class="why">{plain(item.waiting, 200)}</span>}
            {item.failing_reasons.map((reason) => (
              <span key={reason} class="bad">
                {plain(reason, 200)}
              </span>
            ))}
          </div>
        </div>
        <Jobs jobs={item.jobs} />
        <div class="times">
          <Since at={item.enqueue_time} />
          <Remaining item={item} />
        </div>
        <div class="tools">
          <ItemActions pipeline={pipeline} item={item} ordered={ordered} />
          {item.jobs.length === 0 ? null : (
            <button type="button" class="fold" aria-expanded={unfolded} onClick={toggle}>
              <span class="sr">Jobs of {item.id}</span>
              <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
                <path d="m4 6 4 4 4-4" />
              </svg>
            </button>
          )}
        </div>
      </div>
      {unfolded && item.jobs.length > 0 ? (
        <ul class="jobs">
          {item.jobs.map((job) => (
            <JobRow key={job.name} job={job} />
          ))}
        </ul>
      ) : null}
    </li>
  );
}

export function kindOfItem(item: ZuulItem): Kind {
  if (item.failing_reasons.length > 0) return 'bad';
  if (!item.live) return 'off';
  const kinds = item.jobs.map(kindOfJob);
  if (kinds.includes('busy')) return 'busy';
  return kinds.length > 0 && kinds.every((kind) => kind === 'good') ? 'good' : 'wait';
}

/** All jobs of an item in one bar: who wants to know more unfolds it. */
function Jobs({ jobs }: { jobs: readonly ZuulJob[] }) {
  if (jobs.length === 0) return <span class="segments" />;
  const done = jobs.filter((job) => job.result !== null).length;
  const bad = jobs.filter((job) => job.voting && ['bad', 'ci'].includes(kindOfJob(job))).length;
  const text = `${done} of ${jobs.length} jobs done${bad === 0 ? '' : `, ${bad} failed`}`;
  return (
    <span class="segments" role="img" aria-label={text} title={text}>
      {jobs.slice(0, 40).map((job) => (
        <i key={job.name} class={`${kindOfJob(job)} ${job.voting ? '' : 'soft'}`} />
      ))}
      <small class="dim num" aria-hidden="true">
        {done}/{jobs.length}
      </small>
    </span>
  );
}

function estimateOf(job: ZuulJob): number | null {
  return job.estimated_time == null ? null : job.estimated_time * 1000;
}

/** Of the last job to end, when every job says how long it takes. */
function Remaining({ item }: { item: ZuulItem }) {
  const open = item.jobs.filter((job) => job.result === null);
  let last: { start: number; estimate: number } | undefined;
  for (const job of open) {
    const estimate = estimateOf(job);
    if (job.start_time === null || estimate === null) return null;
    if (last === undefined || job.start_time + estimate > last.start + last.estimate)
      last = { start: job.start_time, estimate };
  }
  return last === undefined ? null : <Left start={last.start} estimate={last.estimate} />;
}

function JobRow({ job }: { job: ZuulJob }) {
  const kind = kindOfJob(job);
  const running = job.result === null && job.start_time !== null;
  const text = job.result ?? (running ? 'running' : 'waiting');
  return (
    <li>
      <Sign kind={kind} />
      <span class="name">
        {job.uuid === null ? (
          <span>{plain(job.name, 120)}</span>
        ) : (
          <a href={buildPath(job)}>{plain(job.name, 120)}</a>
        )}
        {job.voting ? null : <NonVoting />}
        {(job.retry ?? 0) > 1 ? <span class="tag">try {job.retry}</span> : null}
      </span>
      <span class={`state ${kind}`}>
        {running && job.start_time !== null ? (
          <Progress start={job.start_time} estimate={estimateOf(job)} label={job.name} />
        ) : (
          text
        )}
      </span>
      <span class="note dim">
        {running && job.start_time !== null ? (
          <>
            <Since at={job.start_time} /> <Left start={job.start_time} estimate={estimateOf(job)} />
          </>
        ) : job.result !== null && job.elapsed_time !== null ? (
          <span class="num">{duration(job.elapsed_time)}</span>
        ) : (
          plain(job.waiting ?? job.detail ?? '', 200)
        )}
      </span>
    </li>
  );
}

/** What runs is watched; what ended is read about. */
function buildPath(job: ZuulJob): string {
  const running = job.result === null && job.start_time !== null;
  return running ? pathOf('build', job.uuid ?? '', 'console') : pathOf('build', job.uuid ?? '');
}
