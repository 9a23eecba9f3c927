import { useSignal } from '@preact/signals';
import type { ChangeView, ExplainedView, ExplainView, PastItem, ReportView } from '../../server/contract.ts';
import { token } from '../api.ts';
import { plain, safeUrl } from '../format.ts';
import { useResource } from '../live.ts';
import { askFor, signIn } from '../parts/actions.tsx';
import { BuildTable } from '../parts/buildtable.tsx';
import { ItemRow } from '../parts/item.tsx';
import { kindOf, Result } from '../parts/result.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { Moment, Took } from '../parts/time.tsx';
import { pathOf } from '../router.ts';

/** A change: where it stands now, how it went before, and why. */
export function ChangePage({ names: [change = ''] }: { names: readonly string[] }) {
  const view = useResource<ChangeView>(`/api/v1/changes/${encodeURIComponent(change)}`);
  return (
    <>
      <Shown of={view} title={`Change ${change}`}>
        {(value) => <Change view={value} />}
      </Shown>
      <Why change={change} />
    </>
  );
}

function Change({ view }: { view: ChangeView }) {
  const url = safeUrl(view.url);
  const name = view.patchset === null ? view.number : `${view.number},${view.patchset}`;
  const current = view.live[0]?.item.id ?? view.past[0]?.change ?? name;
  return (
    <>
      <div class="title">
        <h1>
          Change {name} <bdi>{plain(view.subject ?? '', 200)}</bdi>
        </h1>
        <span class="dim">
          <bdi>{plain(view.project ?? '', 120)}</bdi>
          {view.branch === null ? null : (
            <>
              {' '}
              on <bdi>{plain(view.branch, 120)}</bdi>
            </>
          )}
          {view.owner === null ? null : (
            <>
              {' '}
              by <bdi>{plain(view.owner, 80)}</bdi>
            </>
          )}
        </span>
        <span class="aside buttons-row">
          {url === undefined ? null : (
            <a class="button" href={url}>
              In Gerrit
            </a>
          )}
          {view.patchset === null && view.past.length + view.live.length > 0 && current !== name ? (
            <a class="button" href={pathOf('change', current)}>
              Only {current}
            </a>
          ) : null}
          <Recheck view={view} change={current} />
        </span>
      </div>
      {view.live.length === 0 ? null : (
        <section class="pipeline">
          <header>
            <h2>In the queues now</h2>
          </header>
          <ol>
            {view.live.map(({ pipeline, item }) => (
              <div key={pipeline} class="placed">
                <span class="count">{pipeline}</span>
                <ItemRow pipeline={pipeline} item={item} above={null} below={null} open ordered={false} />
              </div>
            ))}
          </ol>
        </section>
      )}
      <Past items={view.past} />
      <Reports reports={view.reports} />
      {view.builds.length === 0 ? null : (
        <section class="others">
          <h2>Builds</h2>
          <BuildTable builds={view.builds} without={['change']} />
        </section>
      )}
    </>
  );
}

/** Into the pipelines that it was in before. */
function Recheck({ view, change }: { view: ChangeView; change: string }) {
  const { project } = view;
  if (project === null || !/^\d+,\d+$/.test(change)) return null;
  const pipelines = [...new Set(view.past.map(({ pipeline }) => pipeline))].filter((name) => name !== 'run');
  const busy = new Set(view.live.map(({ pipeline }) => pipeline));
  return (
    <>
      {pipelines
        .filter((pipeline) => !busy.has(pipeline))
        .slice(0, 4)
        .map((pipeline) => (
          <button
            key={pipeline}
            type="button"
            onClick={() =>
              askFor({
                title: `Test ${change} in ${pipeline} again`,
                text: `${change} of ${plain(project, 100)} is put into ${pipeline} as if it had been asked for on the change; all its jobs run, and it is reported.`,
                confirm: 'Enqueue',
                path: '/api/v1/enqueue',
                body: { pipeline, project, change },
              })
            }
          >
            {pipeline} again
          </button>
        ))}
    </>
  );
}

function Past({ items }: { items: readonly PastItem[] }) {
  if (items.length === 0) return null;
  return (
    <section class="others">
      <h2>Turns</h2>
      <div class="scroll" role="region" aria-label="Turns" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Result</th>
              <th scope="col">Patchset</th>
              <th scope="col">Pipeline</th>
              <th scope="col">Jobs</th>
              <th scope="col">Ended</th>
              <th scope="col" class="right">
                Took
              </th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {items.map((item) => (
              <tr key={item.id}>
                <td>
                  <Result kind={kindOf(item.result, false)} text={item.result} />
                </td>
                <td class="num">{item.change}</td>
                <td>
                  {item.pipeline}
                  {item.by === null ? null : <span class="dim"> by {plain(item.by, 60)}</span>}
                </td>
                <td>
                  <ul class="chips">
                    {item.builds.map((build) => (
                      <li key={build.job}>
                        {build.uuid === null ? (
                          <Result kind={kindOf(build.result, false)} text={plain(build.job, 60)} />
                        ) : (
                          <a href={pathOf('build', build.uuid)} title={build.result}>
                            <Result kind={kindOf(build.result, false)} text={plain(build.job, 60)} />
                          </a>
                        )}
                      </li>
                    ))}
                  </ul>
                </td>
                <td>
                  <Moment at={item.at} />
                </td>
                <td class="right">
                  <Took from={item.enqueuedAt} to={item.at} />
                </td>
                <td class="dim">{plain(item.detail ?? '', 200)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Reports({ reports }: { reports: readonly ReportView[] }) {
  if (reports.length === 0) return null;
  return (
    <section class="others">
      <h2>Said on the change</h2>
      <ul class="reports">
        {reports.map((report) => (
          <li key={`${report.at} ${report.pipeline} ${report.phase}`}>
            <details>
              <summary>
                <Moment at={report.at} /> <b>{report.pipeline}</b> {report.phase}{' '}
                {Object.entries(report.labels).map(([label, value]) => (
                  <span key={label} class={`vote ${value > 0 ? 'good' : value < 0 ? 'bad' : 'off'}`}>
                    {plain(label, 60)} {value > 0 ? `+${value}` : value}
                  </span>
                ))}
                {report.submit ? <span class="tag">submit</span> : null}{' '}
                <span class="dim">
                  {plain(report.result, 60)} {plain(report.detail ?? '', 200)}
                </span>
              </summary>
              <pre>
                {report.message.split('\n').map((line, at) => (
                  <bdi key={at}>{`${plain(line, 2_000)}\n`}</bdi>
                ))}
              </pre>
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Gerrit is asked with the account of the CI, so this needs a token. */
function Why({ change }: { change: string }) {
  const open = useSignal(false);
  const answer = useResource<ExplainView>(
    open.value && token.value !== '' ? `/api/v1/explain/${encodeURIComponent(change)}` : undefined,
    { every: 0, still: true, withToken: true },
  );
  return (
    <section class="others">
      <h2>Why</h2>
      {open.value && token.value !== '' ? (
        <Shown of={answer}>{({ explanation }) => <Explained of={explanation} depth={0} />}</Shown>
      ) : (
        <Empty>
          Which pipelines want this change, which jobs run, and the rule that decides.{' '}
          <button
            type="button"
            onClick={() => {
              open.value = true;
              if (token.value === '') signIn();
            }}
          >
            Ask Gerrit and explain
          </button>
        </Empty>
      )}
    </section>
  );
}

function Explained({ of, depth }: { of: ExplainedView; depth: number }) {
  const said = (
    <span>
      <b class={of.verdict === 'yes' ? 'good' : 'off'}>{of.verdict}</b> <bdi>{plain(of.text, 500)}</bdi>{' '}
      {of.place === undefined ? null : <code class="dim">{plain(of.place, 200)}</code>}
    </span>
  );
  if (of.children.length === 0) return <div class="explained">{said}</div>;
  return (
    <details class="explained" open={depth < 2 && of.verdict === 'yes'}>
      <summary>{said}</summary>
      {of.children.map((child, at) => (
        <Explained key={at} of={child} depth={depth + 1} />
      ))}
    </details>
  );
}
