import type { Blame, BuildDetail, Excerpt, BuildPage as Page } from '../../server/contract.ts';
import { withoutColours } from '../console/ansi.ts';
import { LineText } from '../console/line.tsx';
import { bytes, duration, plain, safeUrl } from '../format.ts';
import { useResource } from '../live.ts';
import { askFor } from '../parts/actions.tsx';
import { BuildTable } from '../parts/buildtable.tsx';
import { BuildResult, kindOfBuild } from '../parts/result.tsx';
import { Shown } from '../parts/states.tsx';
import { Left, Moment, Progress, Took } from '../parts/time.tsx';
import { href, pathOf } from '../router.ts';

/** One build: what came of it, whose fault that is, and where to look. */
export function BuildPage({ names: [uuid = ''] }: { names: readonly string[] }) {
  const build = useResource<BuildDetail>(`/api/v1/builds/${uuid}`);
  return (
    <Shown of={build} title={`Build ${uuid.slice(0, 7)}`}>
      {(value) => <Build build={value} />}
    </Shown>
  );
}

function Build({ build }: { build: BuildDetail }) {
  const { excerpt } = build;
  const ended = build.state === 'finished' || build.state === 'canceled';
  const console = pathOf('build', build.uuid, 'console');
  return (
    <article class={`build is-${kindOfBuild(build)}`}>
      <div class="title">
        <h1>
          <a href={pathOf('job', build.job)}>{plain(build.job, 160)}</a>
          {build.number === null ? null : <span class="dim"> #{build.number}</span>}
        </h1>
        <BuildResult build={build} />
        <span class="aside buttons-row">
          <a class="button" href={excerpt === null ? console : `${console}#L${excerpt.failedAt}`}>
            {ended ? 'Console' : 'Live console'}
          </a>
          {build.logs === null ? null : (
            <a class="button" href={build.logs}>
              Log folder
            </a>
          )}
          {ended ? null : (
            <button type="button" class="danger" onClick={() => askFor(cancelling(build))}>
              Cancel
            </button>
          )}
        </span>
      </div>
      {build.blame === null ? null : <Fault blame={build.blame} />}
      {excerpt === null ? null : <Telling excerpt={excerpt} console={console} />}
      {excerpt === null ? null : <Ending excerpt={excerpt} console={console} />}
      <div class="columns">
        <section>
          <h2>Build</h2>
          <Facts build={build} />
        </section>
        <section>
          <h2>Times</h2>
          <Times build={build} />
        </section>
        <Parameters params={build.params} />
        <Artifacts build={build} />
      </div>
      <Others build={build} />
    </article>
  );
}

const cancelling = (build: BuildDetail) => ({
  title: `Cancel ${build.uuid.slice(0, 7)}`,
  text: `${plain(build.job, 100)} of ${plain(build.change ?? build.project, 100)} ends now. It counts as ABORTED, and the item fails if the job votes.`,
  confirm: 'Cancel it',
  path: `/api/v1/builds/${build.uuid}/cancel`,
  body: {},
});

const names: Readonly<Record<Blame['who'], string>> = {
  change: 'The change',
  ci: 'The CI',
  person: 'Somebody',
  job: 'The job',
  unclear: 'Unclear',
};

function Fault({ blame }: { blame: Blame }) {
  return (
    <p class={`blame ${blame.who}`}>
      <b>{names[blame.who]}</b> {plain(blame.text, 600)}
    </p>
  );
}

/** What went wrong in the forms of the usual tools: often long before the end. */
function Telling({ excerpt, console }: { excerpt: Excerpt; console: string }) {
  const { telling } = excerpt;
  if (telling.length === 0) return null;
  return (
    <section class="ending">
      <h2>What the console says of it</h2>
      <div class="lines" role="region" aria-label="Lines that tell what went wrong" tabIndex={0}>
        {telling.map(({ line, text }) => (
          <div key={line} class="line">
            <a class="gutter" href={`${console}#L${line}`} aria-label={`Line ${line}`}>
              {line}
            </a>
            <LineText text={text} wanted="" caseless />
          </div>
        ))}
      </div>
    </section>
  );
}

/** The last lines before the end, each with its link into the console. */
function Ending({ excerpt, console }: { excerpt: Excerpt; console: string }) {
  const { step } = excerpt;
  return (
    <section class="ending">
      <h2>
        {step === null ? (
          'What it said last'
        ) : (
          <>
            In step {step.number}{' '}
            <a href={`${console}#L${step.line}`}>
              <bdi>{plain(step.name, 160)}</bdi>
            </a>
          </>
        )}
        <span class="dim">
          {' '}
          line {excerpt.failedAt} of {excerpt.total}
        </span>
      </h2>
      <div class="lines" role="region" aria-label="Last lines of the console" tabIndex={0}>
        {excerpt.lines.map((text, at) => {
          const line = excerpt.from + at;
          return (
            <div key={line} class={`line ${line === excerpt.failedAt ? 'named' : ''}`}>
              <a class="gutter" href={`${console}#L${line}`} aria-label={`Line ${line}`}>
                {line}
              </a>
              <LineText text={text.replace(/\r/g, '')} wanted="" caseless />
            </div>
          );
        })}
      </div>
    </section>
  );
}

function Facts({ build }: { build: BuildDetail }) {
  const url = safeUrl(build.url);
  return (
    <dl>
      <dt>Change</dt>
      <dd>
        {build.change === null ? (
          <bdi>{plain(build.ref ?? 'none', 200)}</bdi>
        ) : (
          <a href={pathOf('change', build.change)}>{build.change.slice(0, 20)}</a>
        )}
      </dd>
      <dt>Project</dt>
      <dd>
        {build.project === '' ? (
          'none'
        ) : (
          <a href={href('/builds', { project: build.project })}>
            <bdi>{plain(build.project, 200)}</bdi>
          </a>
        )}
        {build.branch === null ? null : (
          <span class="dim">
            {' '}
            on <bdi>{plain(build.branch, 120)}</bdi>
          </span>
        )}
      </dd>
      <dt>Pipeline</dt>
      <dd>
        <a href={href('/builds', { pipeline: build.pipeline })}>{plain(build.pipeline, 100)}</a>
      </dd>
      <dt>Node</dt>
      <dd>{plain(build.node ?? 'none yet', 200)}</dd>
      <dt>Votes</dt>
      <dd>{build.voting ? 'yes' : 'no, its result does not count'}</dd>
      <dt>UUID</dt>
      <dd class="mono">{build.uuid}</dd>
      {url === undefined || build.logs === null || url.endsWith(build.logs) ? null : (
        <>
          <dt>Public log</dt>
          <dd>
            <a href={url}>{plain(url, 200)}</a>
          </dd>
        </>
      )}
    </dl>
  );
}

function Times({ build }: { build: BuildDetail }) {
  const { startedAt, finishedAt, queuedAt, estimate } = build;
  return (
    <dl>
      <dt>Asked for</dt>
      <dd>
        <Moment at={queuedAt} />
      </dd>
      <dt>Started</dt>
      <dd>
        <Moment at={startedAt} />
        {queuedAt !== null && startedAt !== null ? (
          <span class="dim"> after {duration(startedAt - queuedAt)}</span>
        ) : null}
      </dd>
      <dt>Finished</dt>
      <dd>
        <Moment at={finishedAt} />
      </dd>
      <dt>Took</dt>
      <dd>
        <Took from={startedAt} to={finishedAt} />
        {estimate === null ? null : <span class="dim"> usually {duration(estimate)}</span>}
      </dd>
      {build.state === 'running' && startedAt !== null ? (
        <>
          <dt>Progress</dt>
          <dd class="progress">
            <Progress start={startedAt} estimate={estimate} label={build.job} />
            <Left start={startedAt} estimate={estimate} />
          </dd>
        </>
      ) : null}
    </dl>
  );
}

function Parameters({ params }: { params: BuildDetail['params'] }) {
  const all = Object.entries(params ?? {});
  if (all.length === 0) return null;
  return (
    <section class="wide">
      <details>
        <summary>
          <h2>Parameters</h2> <span class="count">{all.length}</span>
        </summary>
        <dl class="params">
          {all
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
            .map(([name, value]) => (
              <>
                <dt class="mono">{plain(name, 100)}</dt>
                <dd class="mono">{plain(withoutColours(value), 2_000)}</dd>
              </>
            ))}
        </dl>
      </details>
    </section>
  );
}

function Artifacts({ build }: { build: BuildDetail }) {
  const { artifacts, moreArtifacts, logs } = build;
  if (artifacts.length === 0) return null;
  return (
    <section class="wide">
      <details open={artifacts.length <= 30}>
        <summary>
          <h2>Artifacts</h2> <span class="count">{artifacts.length + moreArtifacts}</span>
        </summary>
        <ul class="files">
          {artifacts.map(({ path, href: to, size }) => (
            <li key={path}>
              <a class="mono" href={to}>
                <bdi>{plain(path, 300)}</bdi>
              </a>
              <span class="dim num">{bytes(size)}</span>
            </li>
          ))}
        </ul>
        {moreArtifacts === 0 || logs === null ? null : (
          <a href={logs}>{moreArtifacts} more in the log folder</a>
        )}
      </details>
    </section>
  );
}

/** The same job on the same change: did it ever go otherwise? */
function Others({ build }: { build: BuildDetail }) {
  const { job, change } = build;
  const others = useResource<Page>(
    change === null
      ? undefined
      : href('/api/v1/builds', { job, change: change.split(',')[0] ?? '', limit: '20' }),
  );
  const list = (others.value.value?.builds ?? []).filter(({ uuid }) => uuid !== build.uuid);
  if (list.length === 0) return null;
  return (
    <section class="others">
      <h2>Other runs of this job on this change</h2>
      <BuildTable builds={list} without={['job']} />
    </section>
  );
}
