import type { ZuulItem, ZuulStatus } from './contract.ts';
import { type Html, html, link } from './html.ts';

/** The status as a page that needs no script: every text of a change or a layout is escaped on its way in. */
export function statusBody(status: ZuulStatus, now: number, version: string): Html {
  const pipelines = status.pipelines.map((pipeline) => {
    const heads = pipeline.change_queues.flatMap((queue) =>
      queue.heads
        .filter((head) => head.length > 0)
        .map((head) => ({ queue: queue.name, window: queue.window, head })),
    );
    const live = heads.flatMap(({ head }) => head).filter((item) => item.live).length;
    return html`<section>
<h2>${pipeline.name} <span class="count">${live}</span></h2>
${text(pipeline.description)}
${heads.map(({ queue, window, head }) => queueBody(queue, window, head, now))}
</section>
`;
  });
  const since = status.last_reconfigured;
  return html`${head('')}
${text(status['message'])}
<main>
${pipelines}
</main>
<footer>Stackgate ${version}, ${moment(now)} UTC${since === null ? '' : `, configured ${moment(since)}`}</footer>`;
}

/** Where one is, and where one may go. */
export function head(title: string): Html {
  return html`<h1><a href="/">Stackgate</a>${title === '' ? '' : ` / ${title}`}</h1>
<nav><a href="/">Status</a> · <a href="/builds">Builds</a> · <a href="/events">Events</a> · <a href="/logs/">Logs</a> · <a href="/readyz">Health</a> · <a href="/api/v1/openapi.json">API</a></nav>`;
}

function text(value: unknown): Html | null {
  return typeof value === 'string' && value !== '' ? html`<p>${value}</p>` : null;
}

function queueBody(queue: string, window: number, head: readonly ZuulItem[], now: number): Html {
  const shared = head.length > 1 || window > 0;
  const title = shared ? html`<h3>${queue}${window > 0 ? `, window ${window}` : ''}</h3>` : null;
  return html`${title}<ol>
${head.map((item) => itemBody(item, now))}</ol>
`;
}

function itemBody(item: ZuulItem, now: number): Html {
  const marks = [
    ...(item.live ? [] : ['dependency']),
    ...(item.live && !item.active ? ['outside the window'] : []),
    ...item.failing_reasons,
  ];
  const left = item.remaining_time === null ? '' : `, about ${duration(item.remaining_time)} left`;
  return html`<li>${link(item.url, item.id ?? 'ref')} ${item.project} <small>${duration(now - item.enqueue_time)}${left}</small>
${marks.map((mark) => html`<small class="failing">${mark}</small> `)}
${item.jobs.length === 0 ? null : html`<ul>${item.jobs.map(jobBody)}</ul>`}
</li>
`;
}

function jobBody(job: ZuulItem['jobs'][number]): Html {
  const running = job.start_time !== null && job.result === null;
  const state = job.result ?? (running ? `running ${duration(job.elapsed_time ?? 0)}` : 'waiting');
  const name = job.uuid === null ? link(job.url, job.name) : link(`/build/${job.uuid}`, job.name);
  const kind =
    job.result === null
      ? running
        ? 'running'
        : 'waiting'
      : job.result === 'SUCCESS'
        ? 'success'
        : 'failure';
  return html`<li>${name} <span class="${kind}">${state}</span>${job.voting ? '' : ' (non-voting)'}</li>
`;
}

/** `1h 02m 03s`: Zuul's form. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n: number) => `${n}`.padStart(2, '0');
  if (h > 0) return `${h}h ${two(m)}m ${two(s)}s`;
  return m > 0 ? `${m}m ${two(s)}s` : `${s}s`;
}

/** UTC, to the second. */
export function moment(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 19);
}

export const style = `:root { color-scheme: light dark; --dim: #777; --good: #1a7f37; --bad: #cf222e; --busy: #0969da; }
@media (prefers-color-scheme: dark) { :root { --dim: #999; --good: #3fb950; --bad: #ff7b72; --busy: #58a6ff; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; }
a { color: inherit; text-decoration-color: var(--dim); }
h1 { font-size: 1.3rem; } h2 { font-size: 1.1rem; } h3 { font-size: 1rem; font-weight: normal; color: var(--dim); }
main { display: grid; gap: 1rem 2rem; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); }
ol, ul { margin: 0.2rem 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
small, footer, .count { color: var(--dim); font-weight: normal; }
.success { color: var(--good); } .failure, .failing { color: var(--bad); } .running { color: var(--busy); } .waiting { color: var(--dim); }
table { border-collapse: collapse; } td, th { padding: 0.1rem 1rem 0.1rem 0; text-align: left; } .number { text-align: right; }
footer { margin-top: 2rem; }
`;
