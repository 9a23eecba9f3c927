import type { BuildView } from '../../server/contract.ts';
import { plain } from '../format.ts';
import { href, pathOf } from '../router.ts';
import { BuildResult } from './result.tsx';
import { Moment, Took } from './time.tsx';

/** Builds, one a line. Every value leads to the builds that share it. */
export function BuildTable({
  builds,
  without = [],
}: {
  builds: readonly BuildView[];
  without?: readonly string[];
}) {
  const has = (name: string) => !without.includes(name);
  return (
    <div class="scroll" role="region" aria-label="Builds" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Result</th>
            {has('job') ? <th scope="col">Job</th> : null}
            {has('change') ? <th scope="col">Change</th> : null}
            {has('change') ? <th scope="col">Project</th> : null}
            <th scope="col">Pipeline</th>
            <th scope="col">Started</th>
            <th scope="col" class="right">
              Time
            </th>
            <th scope="col">Node</th>
            <th scope="col">Build</th>
          </tr>
        </thead>
        <tbody>
          {builds.map((build) => (
            <tr key={build.uuid}>
              <td>
                <BuildResult build={build} />
              </td>
              {has('job') ? (
                <td>
                  <a href={href('/builds', { job: build.job })}>{plain(build.job, 80)}</a>
                </td>
              ) : null}
              {has('change') ? (
                <td class="num">
                  {build.change === null ? (
                    <bdi>{plain(build.ref ?? '', 60)}</bdi>
                  ) : (
                    <a href={pathOf('change', build.change)}>{build.change.slice(0, 20)}</a>
                  )}
                </td>
              ) : null}
              {has('change') ? (
                <td>
                  {build.project === '' ? null : (
                    <a href={href('/builds', { project: build.project })}>
                      <bdi>{plain(build.project, 80)}</bdi>
                    </a>
                  )}
                </td>
              ) : null}
              <td>
                <a href={href('/builds', { pipeline: build.pipeline })}>{plain(build.pipeline, 60)}</a>
              </td>
              <td>
                <Moment at={build.startedAt} />
              </td>
              <td class="right">
                <Took from={build.startedAt} to={build.finishedAt} />
              </td>
              <td class="dim">{plain(build.node ?? '', 40)}</td>
              <td>
                <a class="mono" href={pathOf('build', build.uuid)}>
                  {build.uuid.slice(0, 7)}
                </a>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
