import type { EventPage, EventView, LedgerView } from '../../server/contract.ts';
import { serverNow } from '../api.ts';
import { plain, roughly } from '../format.ts';
import { useResource } from '../live.ts';
import { Filters } from '../parts/filters.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { Moment } from '../parts/time.tsx';
import { pathOf, query, refine } from '../router.ts';

const fields = [['type', 'Event']] as const;

/** What is shown of the journal: what Gerrit said, what people asked for, or the answers of our own hands, too. */
const kinds = [
  ['GerritEvent', 'Said by Gerrit'],
  ['RunRequested', 'Asked: run'],
  ['EnqueueRequested', 'Asked: enqueue'],
  ['EnqueueRefRequested', 'Asked: enqueue a ref'],
  ['DequeueRequested', 'Asked: dequeue'],
  ['PromoteRequested', 'Asked: promote'],
  ['CancelRequested', 'Asked: cancel'],
  ['Configured', 'Configurations'],
  ['Reported', 'Reports'],
  ['all', 'Everything'],
] as const;

const day = 86_400_000;
/** Whole hours, so that the address stays the same while the page is looked at. */
const since = Math.floor((serverNow() - day) / 3_600_000) * 3_600_000;

/** Everything that arrived, what became of it, and the proof that nothing is missing. */
export function LedgerPage() {
  const kind = query.value.get('kind') ?? 'GerritEvent';
  const asked = new URLSearchParams(query.value);
  if (kind === 'all') asked.delete('kind');
  else asked.set('kind', kind);
  const events = useResource<EventPage>(`/api/v1/events?${asked.toString()}`);
  return (
    <>
      <div class="toolbar">
        <h1>Ledger</h1>
        <label>
          <span class="sr">What is shown</span>
          <select
            value={kind}
            onChange={(event) => refine({ kind: event.currentTarget.value, cursor: undefined })}
          >
            {kinds.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <Filters fields={fields} />
      </div>
      <Proof />
      <Shown of={events}>
        {(value) => (
          <>
            {value.events.length === 0 ? (
              <Empty>Nothing arrived that matches.</Empty>
            ) : (
              <Events of={value.events} />
            )}
            <div class="pager">
              {query.value.has('cursor') ? (
                <button type="button" onClick={() => refine({ cursor: undefined })}>
                  Newest
                </button>
              ) : null}
              {value.next === null ? null : (
                <button type="button" onClick={() => refine({ cursor: value.next ?? undefined })}>
                  Older
                </button>
              )}
            </div>
          </>
        )}
      </Shown>
    </>
  );
}

/** In the last day: what was filed, used, set aside; and what had to be asked for. */
function Proof() {
  const ledger = useResource<LedgerView>(`/api/v1/ledger?since=${since}`);
  return (
    <Shown of={ledger}>
      {({ filed, used, aside, waiting, sweeps }) => {
        const missed = sweeps.filter((sweep) => sweep.missed > 0 || sweep.failed !== null);
        const sum = (name: 'missed' | 'filed') => missed.reduce((all, sweep) => all + sweep[name], 0);
        return (
          <section class="proof">
            <dl class="tiles">
              <Tile name="arrived in a day" value={filed} />
              <Tile name="used" value={used} />
              <Tile name="waiting" value={waiting} />
              <Tile name="set aside" value={aside} bad={aside > 0} />
              <Tile name="missed by the stream, found by asking" value={sum('filed')} />
            </dl>
            {missed.length === 0 ? (
              <p class="dim">
                {sweeps.length === 0
                  ? 'The ledger was not compared with Gerrit yet.'
                  : `The last ${sweeps.length} comparisons with Gerrit found nothing that the stream did not deliver.`}
              </p>
            ) : (
              <details>
                <summary>
                  {missed.length} of {sweeps.length} comparisons with Gerrit found gaps
                </summary>
                <ul>
                  {missed.map((sweep) => (
                    <li key={`${sweep.connection} ${sweep.to}`}>
                      <Moment at={sweep.to} /> {plain(sweep.connection, 60)}, {plain(sweep.reason, 60)}:{' '}
                      {sweep.failed === null ? (
                        <>
                          {sweep.missed} of {sweep.found} events in {roughly(sweep.to - sweep.from)} were
                          missing, {sweep.filed} were new and were filed
                        </>
                      ) : (
                        <span class="bad">not proven: {plain(sweep.failed, 300)}</span>
                      )}
                    </li>
                  ))}
                </ul>
              </details>
            )}
          </section>
        );
      }}
    </Shown>
  );
}

function Tile({ name, value, bad = false }: { name: string; value: number; bad?: boolean }) {
  return (
    <div class={bad ? 'bad' : ''}>
      <dt>{name}</dt>
      <dd class="num">{value.toLocaleString('en')}</dd>
    </div>
  );
}

function Events({ of: events }: { of: readonly EventView[] }) {
  return (
    <div class="scroll" role="region" aria-label="Events" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">What</th>
            <th scope="col">Change</th>
            <th scope="col">Project</th>
            <th scope="col">Who</th>
            <th scope="col">What became of it</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <tr key={event.seq}>
              <td>
                <Moment at={event.at} />
              </td>
              <td>
                {plain(event.type ?? event.kind, 80)}
                {event.via === 'reconcile' ? (
                  <span class="tag" title="The stream did not deliver it; it was found by asking Gerrit">
                    found later
                  </span>
                ) : null}
              </td>
              <td class="num">
                {event.change === null || !/^\d+(,\d+)?$/.test(event.change) ? (
                  plain(event.change ?? '', 40)
                ) : (
                  <a href={pathOf('change', event.change)}>{event.change}</a>
                )}
              </td>
              <td>
                <bdi>{plain(event.project ?? '', 100)}</bdi>
              </td>
              <td>
                <bdi>{plain(event.by ?? '', 60)}</bdi>
              </td>
              <td class={event.note?.startsWith('set aside') === true ? 'bad' : ''}>
                {event.note === null ? <span class="dim">waits</span> : plain(event.note, 300)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
