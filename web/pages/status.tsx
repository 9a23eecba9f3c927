import { computed, signal } from '@preact/signals';
import type { ZuulItem, ZuulPipeline, ZuulQueue, ZuulStatus } from '../../server/contract.ts';
import { plain } from '../format.ts';
import { useResource } from '../live.ts';
import { Attention } from '../parts/attention.tsx';
import { ItemRow } from '../parts/item.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { query, refine } from '../router.ts';

/** What is tested now: pipelines, their queues, each item on what stands ahead of it. */

/** Items of a queue that are drawn before somebody asks for the rest. */
const first = 60;
/** With more items than this they begin folded. */
const fewEnough = 10;

const wanted = computed(() => (query.value.get('q') ?? '').trim().toLowerCase());
const all = signal<ReadonlySet<string>>(new Set());

export function StatusPage() {
  const status = useResource<ZuulStatus>('/api/v1/status', { every: 15_000 });
  return (
    <>
      <Attention />
      <Shown of={status} title="Status">
        {(value) => <Pipelines status={value} />}
      </Shown>
    </>
  );
}

function Pipelines({ status }: { status: ZuulStatus }) {
  const counted = status.pipelines.map((pipeline) => ({ pipeline, queues: queuesOf(pipeline) }));
  const busy = counted.filter(({ queues }) => queues.length > 0);
  const idle = counted.filter(({ queues }) => queues.length === 0).map(({ pipeline }) => pipeline);
  const items = busy.flatMap(({ queues }) => queues.flatMap(({ items: those }) => those));
  const live = items.filter((item) => item.live).length;
  return (
    <>
      <div class="toolbar">
        <h1>Status</h1>
        <label class="search">
          <span class="sr">Filter by change, subject, project, branch or owner</span>
          <input
            type="search"
            placeholder="Filter: change, subject, project, owner"
            value={query.value.get('q') ?? ''}
            onInput={(event) => refine({ q: event.currentTarget.value })}
          />
        </label>
        <span class="dim">
          {live} {live === 1 ? 'item' : 'items'}
          {(status.trigger_event_queue?.length ?? 0) > 0
            ? `, ${status.trigger_event_queue?.length} changes being asked about`
            : ''}
        </span>
      </div>
      {status.pipelines.length === 0 ? (
        <Empty>No configuration is in force yet, so there are no pipelines.</Empty>
      ) : null}
      {busy.map(({ pipeline, queues }) => (
        <Pipeline key={pipeline.name} pipeline={pipeline} queues={queues} open={live <= fewEnough} />
      ))}
      {status.pipelines.length > 0 && busy.length === 0 && wanted.value !== '' ? (
        <Empty>Nothing in the queues matches.</Empty>
      ) : null}
      {idle.length === 0 ? null : (
        <section class="idle" aria-label="Idle pipelines">
          {idle.map((pipeline) => (
            <span key={pipeline.name} title={plain(pipeline.description ?? '')}>
              <b>{pipeline.name}</b> {pipeline.disabled === true ? 'disabled' : 'idle'}
            </span>
          ))}
        </section>
      )}
    </>
  );
}

interface ShownQueue {
  readonly queue: ZuulQueue;
  readonly items: readonly ZuulItem[];
}

/** Queues with something in them that matches the filter. */
function queuesOf(pipeline: ZuulPipeline): ShownQueue[] {
  return pipeline.change_queues
    .map((queue) => ({ queue, items: queue.heads.flat().filter(matches) }))
    .filter(({ items }) => items.length > 0);
}

function matches(item: ZuulItem): boolean {
  const text = wanted.value;
  if (text === '') return true;
  return [item.id, item.subject, item.project, item.branch, item.owner?.name].some(
    (field) => field?.toLowerCase().includes(text) === true,
  );
}

function Pipeline({
  pipeline,
  queues,
  open,
}: {
  pipeline: ZuulPipeline;
  queues: readonly ShownQueue[];
  open: boolean;
}) {
  const live = queues.flatMap(({ items }) => items).filter((item) => item.live);
  const failing = live.filter((item) => item.failing_reasons.length > 0).length;
  return (
    <section class="pipeline" aria-label={`Pipeline ${pipeline.name}`}>
      <header>
        <h2>{pipeline.name}</h2>
        <span class="count">{live.length}</span>
        {failing === 0 ? null : <span class="count bad">{failing} failing</span>}
        {pipeline.disabled === true ? (
          <span class="count ci">disabled: too many failures in a row</span>
        ) : null}
        <p class="dim">{plain(pipeline.description ?? '', 200)}</p>
      </header>
      {queues.map((shown) => (
        <Queue key={shown.queue.name} pipeline={pipeline.name} shown={shown} open={open} />
      ))}
    </section>
  );
}

function Queue({ pipeline, shown, open }: { pipeline: string; shown: ShownQueue; open: boolean }) {
  const { queue, items } = shown;
  const id = `${pipeline}/${queue.name}`;
  const drawn = all.value.has(id) ? items : items.slice(0, first);
  const named = queue.window > 0 || items.length > 1;
  return (
    <div class="queue">
      {named ? (
        <h3>
          {plain(queue.name, 120)}
          {queue.window > 0 ? (
            <span title="So many items are tested at a time"> window {queue.window}</span>
          ) : null}
        </h3>
      ) : null}
      <ol>
        {drawn.map((item, place) => (
          <ItemRow
            key={`${item.project} ${item.id ?? place}`}
            pipeline={pipeline}
            item={item}
            above={drawn[place - 1]?.id ?? null}
            below={drawn[place + 1]?.item_ahead ?? null}
            open={open}
            ordered={queue.window > 0}
          />
        ))}
      </ol>
      {drawn.length < items.length ? (
        <button type="button" class="more" onClick={() => (all.value = new Set([...all.value, id]))}>
          Show {items.length - drawn.length} more
        </button>
      ) : null}
    </div>
  );
}
