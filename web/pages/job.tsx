import type { BuildPage, JobView } from '../../server/contract.ts';
import { duration, plain } from '../format.ts';
import { useResource } from '../live.ts';
import { BuildTable } from '../parts/buildtable.tsx';
import { NonVoting } from '../parts/result.tsx';
import { Shown } from '../parts/states.tsx';
import { Strip, successRate } from '../parts/strip.tsx';
import { href } from '../router.ts';

/** One job. */
export function JobPage({ names: [name = ''] }: { names: readonly string[] }) {
  const job = useResource<JobView>(`/api/v1/jobs/${encodeURIComponent(name)}`, { still: true });
  return (
    <Shown of={job} title={`Job ${name}`}>
      {(value) => <Job job={value} />}
    </Shown>
  );
}

function Job({ job }: { job: JobView }) {
  const builds = useResource<BuildPage>(href('/api/v1/builds', { job: job.name, limit: '25' }));
  const parameters = Object.entries(job.parameters);
  return (
    <>
      <div class="title">
        <h1>{plain(job.name, 200)}</h1>
        {job.voting ? null : <NonVoting />}
        <Strip builds={job.recent} />
        <span class="aside">
          <a class="button" href={href('/run', { job: job.name })}>
            Run it
          </a>
        </span>
      </div>
      {job.description === null ? null : <p class="lead">{plain(job.description, 1_000)}</p>}
      <div class="columns">
        <section>
          <h2>How it runs</h2>
          <dl>
            <dt>Node</dt>
            <dd>{plain(job.node === '' ? 'any' : job.node, 200)}</dd>
            <dt>Steps</dt>
            <dd>{job.steps}</dd>
            <dt>Usually takes</dt>
            <dd>
              {job.estimate === null ? 'not known yet' : duration(job.estimate)}
              {job.timeout === null ? null : <span class="dim"> of at most {duration(job.timeout)}</span>}
            </dd>
            <dt>Succeeds</dt>
            <dd>{successRate(job.recent)}</dd>
            <dt>Attempts</dt>
            <dd>{job.attempts} when its node is lost</dd>
            <dt>Keeps</dt>
            <dd>{job.artifacts.length === 0 ? 'its console' : plain(job.artifacts.join(', '), 400)}</dd>
            {job.place === null ? null : (
              <>
                <dt>Defined in</dt>
                <dd class="mono">{plain(job.place, 200)}</dd>
              </>
            )}
          </dl>
        </section>
        <section>
          <h2>When it runs</h2>
          <dl>
            {job.rules.map((rule) => (
              <>
                <dt>Only</dt>
                <dd class="mono">{plain(rule, 300)}</dd>
              </>
            ))}
            {job.projects.slice(0, 50).map(({ project, pipelines }) => (
              <>
                <dt>
                  <bdi>{plain(project, 100)}</bdi>
                </dt>
                <dd>{plain(pipelines.join(', '), 300)}</dd>
              </>
            ))}
          </dl>
          {job.projects.length === 0 ? <p class="dim">In no pipeline: by hand only.</p> : null}
          {job.projects.length > 50 ? <p class="dim">{job.projects.length - 50} more projects</p> : null}
        </section>
        {parameters.length === 0 ? null : (
          <section>
            <h2>Parameters</h2>
            <dl>
              {parameters.map(([name, value]) => (
                <>
                  <dt class="mono">{plain(name, 100)}</dt>
                  <dd class="mono">{plain(value, 300)}</dd>
                </>
              ))}
            </dl>
          </section>
        )}
      </div>
      <section class="others">
        <h2>Builds</h2>
        <Shown of={builds}>
          {(value) =>
            value.builds.length === 0 ? (
              <p class="empty">It never ran.</p>
            ) : (
              <BuildTable builds={value.builds} without={['job']} />
            )
          }
        </Shown>
      </section>
    </>
  );
}
