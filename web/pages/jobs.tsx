import { computed } from '@preact/signals';
import type { JobList, JobShort } from '../../server/contract.ts';
import { duration, plain } from '../format.ts';
import { useResource } from '../live.ts';
import { Empty, Shown } from '../parts/states.tsx';
import { Strip, successRate } from '../parts/strip.tsx';
import { pathOf, query, refine } from '../router.ts';

const wanted = computed(() => (query.value.get('q') ?? '').trim().toLowerCase());

/** All jobs, and how they did lately. */
export function JobsPage() {
  const jobs = useResource<JobList>('/api/v1/jobs', { still: true, every: 60_000 });
  return (
    <>
      <div class="toolbar">
        <h1>Jobs</h1>
        <label class="search">
          <span class="sr">Filter by name or description</span>
          <input
            type="search"
            placeholder="Filter: name or description"
            value={query.value.get('q') ?? ''}
            onInput={(event) => refine({ q: event.currentTarget.value })}
          />
        </label>
        <a class="button" href="/run">
          Run a job
        </a>
      </div>
      <Shown of={jobs}>
        {(value) => {
          const shown = value.jobs.filter(matches);
          return shown.length === 0 ? <Empty>No job matches.</Empty> : <Table jobs={shown} />;
        }}
      </Shown>
    </>
  );
}

function matches({ name, description }: JobShort): boolean {
  return [name, description].some((text) => text?.toLowerCase().includes(wanted.value) === true);
}

function Table({ jobs }: { jobs: readonly JobShort[] }) {
  return (
    <div class="scroll" role="region" aria-label="Jobs" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Job</th>
            <th scope="col">Lately</th>
            <th scope="col" class="right">
              Succeeds
            </th>
            <th scope="col" class="right">
              Usually takes
            </th>
            <th scope="col">Runs in</th>
            <th scope="col">Node</th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <tr key={job.name}>
              <td>
                <a href={pathOf('job', job.name)}>{plain(job.name, 120)}</a>
                {job.voting ? null : <span class="tag">non-voting</span>}
                <div class="dim">{plain(job.description ?? '', 140)}</div>
              </td>
              <td>
                <Strip builds={job.recent} />
              </td>
              <td class="right num">{successRate(job.recent)}</td>
              <td class="right num">
                {job.estimate === null ? <span class="dim">–</span> : duration(job.estimate)}
              </td>
              <td>
                {job.used.length === 0 ? <span class="dim">by hand only</span> : null}
                {job.used.map(({ pipeline, projects }) => (
                  <span key={pipeline} class="tag" title={`${projects} projects`}>
                    {plain(pipeline, 40)}
                  </span>
                ))}
              </td>
              <td class="dim">{plain(job.node === '' ? 'any' : job.node, 60)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
