import type { ConfigView } from '../../server/contract.ts';
import { plain } from '../format.ts';
import { useResource } from '../live.ts';
import { Empty, Shown } from '../parts/states.tsx';
import { Moment } from '../parts/time.tsx';
import { pathOf } from '../router.ts';

/** The configuration in force, and what is wrong with the files. */
export function ConfigPage() {
  const config = useResource<ConfigView>('/api/v1/config', { still: true });
  return (
    <>
      <div class="toolbar">
        <h1>Configuration</h1>
      </div>
      <Shown of={config}>
        {(value) => (
          <>
            <p class="lead">
              {value.digest === null ? (
                'No configuration is in force yet.'
              ) : (
                <>
                  In force since <Moment at={value.since} />, digest{' '}
                  <code title={value.digest}>{value.digest.slice(0, 12)}</code>.
                </>
              )}
            </p>
            <Problems read={value.read} />
            <Pipelines pipelines={value.pipelines} />
            <Projects projects={value.projects} />
          </>
        )}
      </Shown>
    </>
  );
}

function Problems({ read }: { read: ConfigView['read'] }) {
  if (read.at === 0) return null;
  return (
    <section class="others">
      <h2>
        When the files were last read, <Moment at={read.at} />
      </h2>
      {read.taken ? null : (
        <p class="trouble" role="alert">
          They were refused: the older configuration stays in force until these errors are mended.
        </p>
      )}
      {read.problems.length === 0 ? (
        <Empty>Nothing is wrong with them.</Empty>
      ) : (
        <ul class="problems">
          {read.problems.map((problem, at) => (
            <li key={at} class={problem.severity === 'error' ? 'bad' : 'ci'}>
              <b>{problem.severity}</b> <span class="text">{plain(problem.message, 600)}</span>{' '}
              {problem.place === null ? null : <code>{plain(problem.place, 200)}</code>}{' '}
              {problem.hint === null ? null : <span class="dim">{plain(problem.hint, 400)}</span>}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Pipelines({ pipelines }: { pipelines: ConfigView['pipelines'] }) {
  return (
    <section class="others">
      <h2>Pipelines</h2>
      <div class="scroll" role="region" aria-label="Pipelines" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Pipeline</th>
              <th scope="col">Manager</th>
              <th scope="col">Started by</th>
              <th scope="col">On success</th>
              <th scope="col">On failure</th>
            </tr>
          </thead>
          <tbody>
            {pipelines.map((pipeline) => (
              <tr key={pipeline.name}>
                <td>
                  <b>{plain(pipeline.name, 80)}</b>
                  <div class="dim">{plain(pipeline.description ?? '', 200)}</div>
                  {pipeline.place === null ? null : <code class="dim">{plain(pipeline.place, 120)}</code>}
                </td>
                <td>
                  {pipeline.manager}
                  <div class="dim">
                    {pipeline.precedence} precedence{pipeline.window > 0 ? `, window ${pipeline.window}` : ''}
                  </div>
                </td>
                <td>
                  <Words of={pipeline.triggers} />
                </td>
                <td>
                  <Words of={pipeline.success} />
                </td>
                <td>
                  <Words of={pipeline.failure} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const Words = ({ of }: { of: readonly string[] }) => (
  <ul>
    {of.map((text) => (
      <li key={text}>{plain(text, 300)}</li>
    ))}
  </ul>
);

function Projects({ projects }: { projects: ConfigView['projects'] }) {
  return (
    <section class="others">
      <h2>
        Projects <span class="count">{projects.length}</span>
      </h2>
      <ul class="projects">
        {projects.map((project) => (
          <li key={project.name}>
            <details open={projects.length <= 12}>
              <summary>
                <b>
                  <bdi>{plain(project.name, 160)}</bdi>
                </b>{' '}
                <span class="dim">{project.mergeMode}</span>
              </summary>
              <dl>
                {Object.entries(project.pipelines).map(([pipeline, jobs]) => (
                  <>
                    <dt>{plain(pipeline, 80)}</dt>
                    <dd>
                      {jobs.map(({ job, depth }, at) => (
                        <span key={`${at} ${job}`} class="leads">
                          {depth > 0 ? <span aria-label="after it">→ </span> : null}
                          <a href={pathOf('job', job)}>{plain(job, 100)}</a>
                        </span>
                      ))}
                    </dd>
                  </>
                ))}
              </dl>
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}
