import { computed, signal } from '@preact/signals';

/** Times and sizes as people read them. The zone is said wherever a time of day is shown. */

export type Zone = 'utc' | 'local';

export const zone = signal<Zone>(localStorage.getItem('zone') === 'local' ? 'local' : 'utc');

export function chooseZone(next: Zone): void {
  localStorage.setItem('zone', next);
  zone.value = next;
}

export const zoneName = computed(() =>
  zone.value === 'utc' ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone,
);

const two = (n: number) => String(n).padStart(2, '0');

/** `2026-11-21 03:04:05` in the chosen zone. */
export function moment(ms: number, inZone: Zone = zone.value): string {
  const date = new Date(ms);
  if (inZone === 'utc') return date.toISOString().replace('T', ' ').slice(0, 19);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `1h 02m 03s`: Zuul's form. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${h}h ${two(m)}m ${two(s)}s`;
  return m > 0 ? `${m}m ${two(s)}s` : `${s}s`;
}

/** `3h`, `12m`, `5d`: how long, in one glance. */
export function roughly(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ${two(Math.floor(seconds / 60) % 60)}m`;
  return `${Math.floor(seconds / 86_400)}d`;
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = size / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(1)} ${units[unit] ?? ''}`;
}

/**
 * What a stranger wrote, for showing: letters that turn a line around or hide become visible, and what is very long is cut.
 * Markup needs no care here: text nodes have none.
 */
export function plain(text: string, most = 400): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is replaced
  return cut.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\ufffd');
}

/** An address that a page may link to: http, https, or a path of ours. */
export function safeUrl(url: string | null | undefined): string | undefined {
  if (url === null || url === undefined) return undefined;
  if (/^\/(?![/\\])/.test(url)) return url;
  return /^https?:\/\/[^\s"'<>`]+$/i.test(url) ? url : undefined;
}
