import type {
  NodeRequests,
  PoolHolds,
  PoolLabels,
  PoolNodes,
  PoolNodeView,
  PoolProviders,
} from '../../server/contract.ts';
import { plain } from '../format.ts';
import { useResource } from '../live.ts';
import { askFor } from '../parts/actions.tsx';
import { type Kind, Result } from '../parts/result.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { Moment, Since } from '../parts/time.tsx';
import { pathOf } from '../router.ts';

/** Machines: which there are, who waits for one and why, what is kept for people. */
export function NodesPage() {
  const nodes = useResource<PoolNodes>('/api/v1/nodes');
  const requests = useResource<NodeRequests>('/api/v1/node-requests');
  const labels = useResource<PoolLabels>('/api/v1/labels');
  const providers = useResource<PoolProviders>('/api/v1/providers');
  const holds = useResource<PoolHolds>('/api/v1/holds');
  return (
    <>
      <div class="toolbar">
        <h1>Nodes</h1>
      </div>
      <Shown of={requests}>
        {(value) => <Requests of={value.requests.filter(({ state }) => state !== 'granted')} />}
      </Shown>
      <Shown of={nodes}>{(value) => <Nodes of={value.nodes} />}</Shown>
      <div class="columns pool">
        <Shown of={labels}>{(value) => <Labels of={value.labels} />}</Shown>
        <Shown of={providers}>{(value) => <Providers of={value.providers} />}</Shown>
      </div>
      <Shown of={holds}>{(value) => <Holds of={value.holds} />}</Shown>
    </>
  );
}

const kinds: Readonly<Record<string, Kind>> = {
  ready: 'good',
  'in-use': 'busy',
  building: 'busy',
  testing: 'busy',
  held: 'ci',
  failed: 'bad',
  quarantine: 'bad',
  lost: 'bad',
};

function Nodes({ of }: { of: PoolNodes['nodes'] }) {
  return (
    <section class="others">
      <h2>
        Machines <span class="count">{of.length}</span>
      </h2>
      {of.length === 0 ? (
        <Empty>There is none now; they are made when a build wants one.</Empty>
      ) : (
        <div class="scroll" role="region" aria-label="Machines" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">State</th>
                <th scope="col">Node</th>
                <th scope="col">Label</th>
                <th scope="col">Provider</th>
                <th scope="col">Address</th>
                <th scope="col">Build</th>
                <th scope="col">For</th>
                <th scope="col">Why</th>
                <th scope="col">
                  <span class="sr">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {of.map((node) => (
                <Node key={node.id} node={node} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Node({ node }: { node: PoolNodeView }) {
  const uuid = /^build-([0-9a-f]{32})$/.exec(node.build ?? '')?.[1];
  return (
    <tr>
      <td>
        <Result kind={kinds[node.state] ?? 'off'} text={node.state} />
      </td>
      <td class="num">{node.id}</td>
      <td>{plain(node.label, 80)}</td>
      <td>
        {plain(node.provider, 60)}
        <span class="dim"> {plain(node.host ?? node.zone ?? '', 60)}</span>
      </td>
      <td class="mono">{plain(node.address ?? '', 60)}</td>
      <td>
        {uuid === undefined ? (
          plain(node.job ?? '', 80)
        ) : (
          <a href={pathOf('build', uuid)}>{plain(node.job ?? uuid, 80)}</a>
        )}
      </td>
      <td>
        <Since at={node.stateAt} />
      </td>
      <td class="dim">
        {plain(node.reason ?? '', 200)}
        {node.until === null ? null : (
          <>
            {' '}
            until <Moment at={node.until} />
          </>
        )}
      </td>
      <td class="right">
        {node.state === 'held' ? (
          <button
            type="button"
            onClick={() =>
              askFor({
                title: `Release node ${node.id}`,
                text: 'Whoever keeps it loses it: it is cleaned or deleted.',
                confirm: 'Release',
                path: `/api/v1/nodes/${node.id}/release`,
                body: {},
              })
            }
          >
            Release<span class="sr"> {node.id}</span>
          </button>
        ) : null}
      </td>
    </tr>
  );
}

function Requests({ of }: { of: NodeRequests['requests'] }) {
  if (of.length === 0) return <p class="dim">Nobody waits for a machine.</p>;
  return (
    <section class="others">
      <h2>
        Waiting for machines <span class="count">{of.length}</span>
      </h2>
      <div class="scroll" role="region" aria-label="Waiting for machines" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Job</th>
              <th scope="col">Pipeline</th>
              <th scope="col">Wants</th>
              <th scope="col">Since</th>
              <th scope="col">Why it waits</th>
            </tr>
          </thead>
          <tbody>
            {of.map((request) => (
              <tr key={request.id}>
                <td>
                  <a href={pathOf('job', request.job)}>{plain(request.job, 100)}</a>
                </td>
                <td>
                  {plain(request.pipeline, 60)} <span class="dim">{request.precedence}</span>
                </td>
                <td>{plain(request.label === '' ? 'any' : request.label, 80)}</td>
                <td>
                  <Since at={request.since} />
                </td>
                <td>{plain(request.why ?? request.state, 300)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Labels({ of }: { of: PoolLabels['labels'] }) {
  if (of.length === 0) return null;
  return (
    <section>
      <h2>Labels</h2>
      <dl>
        {of.map((label) => (
          <>
            <dt>{plain(label.name, 80)}</dt>
            <dd>
              {label.inUse} in use, {label.ready} ready, {label.building} being made
              {label.waiting === 0 ? null : <b>, {label.waiting} wanted</b>}
              <span class="dim"> from {plain(label.providers.join(', '), 200)}</span>
            </dd>
          </>
        ))}
      </dl>
    </section>
  );
}

function Providers({ of }: { of: PoolProviders['providers'] }) {
  if (of.length === 0) return null;
  return (
    <section>
      <h2>Providers</h2>
      <dl>
        {of.map((provider) => (
          <>
            <dt>{plain(provider.name, 80)}</dt>
            <dd>
              {plain(provider.driver, 40)}, {provider.nodes}
              {provider.limit === null ? '' : ` of ${provider.limit}`} nodes
              {provider.offline === null ? null : (
                <span class="ci"> offline: {plain(provider.offline, 200)}</span>
              )}
              {provider.hosts
                .filter(({ offline }) => offline !== null)
                .map((host) => (
                  <div key={host.name} class="ci">
                    {plain(host.name, 80)} offline: {plain(host.offline ?? '', 200)}
                  </div>
                ))}
            </dd>
          </>
        ))}
      </dl>
    </section>
  );
}

function Holds({ of }: { of: PoolHolds['holds'] }) {
  if (of.length === 0) return null;
  return (
    <section class="others">
      <h2>Autoholds</h2>
      <ul class="reports">
        {of.map((hold) => (
          <li key={hold.id}>
            <b>{plain(hold.job, 100)}</b> of <bdi>{plain(hold.project, 100)}</bdi>{' '}
            {plain(hold.change ?? hold.ref ?? '', 80)}: {hold.caught} of {hold.count} caught, for{' '}
            {plain(hold.by, 60)} since <Moment at={hold.at} />{' '}
            <span class="dim">{plain(hold.reason, 300)}</span>{' '}
            <button
              type="button"
              onClick={() =>
                askFor({
                  title: `End autohold ${hold.id}`,
                  text: 'Nodes that it caught go back.',
                  confirm: 'End it',
                  path: `/api/v1/autohold/${hold.id}/delete`,
                  body: {},
                })
              }
            >
              End<span class="sr"> autohold {hold.id}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
