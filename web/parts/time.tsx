import { serverNow } from '../api.ts';
import { duration, moment, roughly, zone, zoneName } from '../format.ts';
import { second } from '../live.ts';

/** A moment, in the zone that the page shows. */
export function Moment({ at }: { at: number | null | undefined }) {
  if (at === null || at === undefined) return <span class="dim">–</span>;
  const other = zone.value === 'utc' ? 'local' : 'utc';
  const title = `${moment(at, other)} ${other === 'utc' ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone}`;
  return (
    <time class="num" dateTime={new Date(at).toISOString()} title={title}>
      {moment(at)}
    </time>
  );
}

/** How long ago, growing. */
export function Since({ at }: { at: number }) {
  return (
    <span class="num" title={`since ${moment(at)} ${zoneName.value}`}>
      {second.value > 0 ? roughly(serverNow() - at) : ''}
    </span>
  );
}

/** How long something took, or takes so far. */
export function Took({ from, to }: { from: number | null; to: number | null }) {
  if (from === null) return <span class="dim">–</span>;
  if (to !== null) return <span class="num">{duration(to - from)}</span>;
  return <span class="num">{second.value > 0 ? duration(serverNow() - from) : ''}</span>;
}

/** A running job: how much of its usual time is over. Without an estimate it only shows that something runs. */
export function Progress({
  start,
  estimate,
  label,
}: {
  start: number;
  estimate: number | null;
  label: string;
}) {
  const elapsed = second.value > 0 ? Math.max(0, serverNow() - start) : 0;
  if (estimate === null || estimate <= 0)
    return (
      <span class="bar unknown" role="img" aria-label={`${label} runs, for ${duration(elapsed)}`}>
        <i />
      </span>
    );
  const part = Math.min(0.99, elapsed / estimate);
  return (
    <span
      class={`bar ${elapsed > estimate * 1.1 ? 'late' : ''}`}
      role="progressbar"
      aria-label={label}
      aria-valuenow={Math.round(part * 100)}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <i style={{ width: `${(part * 100).toFixed(1)}%` }} />
    </span>
  );
}

/** What is left of it, by its usual time. */
export function Left({ start, estimate }: { start: number; estimate: number | null }) {
  if (estimate === null || estimate <= 0 || second.value === 0) return null;
  const left = start + estimate - serverNow();
  // A guess that is a little off is not late.
  if (left <= 0 && left > -Math.max(5_000, estimate * 0.1)) return <span class="num dim">soon</span>;
  return <span class="num dim">{left > 0 ? `${roughly(left)} left` : `${roughly(-left)} over`}</span>;
}
