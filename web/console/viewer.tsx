import { useSignal } from '@preact/signals';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { plain } from '../format.ts';
import { address } from '../router.ts';
import { LineText } from './line.tsx';
import { search } from './search.ts';
import { openConsole, type Source, type SourceState } from './source.ts';
import { lineOfRow, rowOfLine, shownLines } from './steps.ts';

/** A console of any length: a few dozen rows in the document, the rest is the height of an empty box. */

const rowHeight = 17;
/** Browsers know no taller boxes than this (Firefox ends at 17.8 million pixels). */
const tallest = 17_500_000;
const beyond = 30;

const words: Readonly<Record<SourceState, string>> = {
  loading: 'loading',
  live: 'live',
  ended: 'ended',
  lost: 'connection lost, trying again',
  absent: 'no console: it never ran, or its logs are gone',
  'too-long': 'longer than a page can hold: the rest is in the plain text',
};

/** `#L12` or `#L12-30` (also `#L12-L30`), lines from 1. */
export function rangeOf(hash: string): readonly [number, number] | undefined {
  const match = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(hash);
  if (match === null) return undefined;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from <= to ? [from, to] : [to, from];
}

function useSource(uuid: string): Source {
  const source = useMemo(() => openConsole(uuid), [uuid]);
  useEffect(() => () => source.close(), [source]);
  return source;
}

export function ConsoleViewer({ uuid, plainText }: { uuid: string; plainText: string | undefined }) {
  const source = useSource(uuid);
  const box = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  const follow = useSignal(address.value.hash === '');
  const folded = useSignal<ReadonlySet<number>>(new Set());
  const wanted = useSignal('');
  const caseless = useSignal(true);
  const hits = useSignal<readonly number[]>([]);
  const hit = useSignal(-1);
  const searching = useSignal(false);
  const jumped = useRef('');
  /** Where the view is, in the pixels of all lines: it stays there when the box no longer grows with them. */
  const place = useRef(0);

  const { lines } = source;
  const version = source.version.value;
  const steps = source.steps.value;
  const shown = useMemo(() => shownLines(lines.count, steps, folded.value), [version, steps, folded.value]);
  const whole = shown.rows * rowHeight;
  const tall = Math.max(rowHeight, Math.min(whole, tallest));
  /** Rows at a place of the box: one to one, until the box may not be tall enough. */
  const scale = whole <= tallest ? 1 : (whole - height.value) / (tallest - height.value);
  const firstRow = Math.max(0, Math.floor((top.value * scale) / rowHeight) - beyond);
  const lastRow = Math.min(shown.rows, Math.ceil((top.value * scale + height.value) / rowHeight) + beyond);
  const range = rangeOf(address.value.hash);

  const showLine = useCallback(
    (line: number) => {
      const element = box.current;
      if (element === null) return;
      let now = shownLines(lines.count, source.steps.value, folded.value);
      let row = rowOfLine(now, line);
      if (row === undefined) {
        folded.value = new Set();
        now = shownLines(lines.count, source.steps.value, folded.value);
        row = rowOfLine(now, line) ?? 0;
      }
      follow.value = false;
      const total = now.rows * rowHeight;
      const ratio = total <= tallest ? 1 : (total - element.clientHeight) / (tallest - element.clientHeight);
      place.current = Math.max(0, row * rowHeight - element.clientHeight / 3);
      element.scrollTop = place.current / ratio;
      top.value = element.scrollTop;
    },
    [lines, source],
  );

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const watch = new ResizeObserver(() => (height.value = element.clientHeight));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || !follow.value) return;
    element.scrollTop = element.scrollHeight;
  }, [version, follow.value, tall]);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || follow.value || scale === 1) return;
    element.scrollTop = place.current / scale;
    top.value = element.scrollTop;
  }, [scale]);

  // The line that the address names, once it has come.
  useEffect(() => {
    if (range === undefined || jumped.current === address.value.hash) return;
    // The box is as tall as what was drawn, not as what came since.
    const there = shown.rows >= range[0];
    const over = source.state.value === 'ended' || source.state.value === 'too-long';
    if (!there && (!over || shown.rows < lines.count)) return;
    jumped.current = address.value.hash;
    showLine(Math.min(range[0], lines.count) - 1);
  }, [version, address.value.hash, source.state.value]);

  useEffect(() => {
    hits.value = [];
    hit.value = -1;
    if (wanted.value === '') return undefined;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      searching.value = true;
      void search(lines, wanted.value, caseless.value, 0, stop.signal, (more) => {
        if (stop.signal.aborted || more.length === 0) return;
        hits.value = [...hits.value, ...more];
        if (hit.value === -1) step(1);
      }).finally(() => (searching.value = stop.signal.aborted ? searching.value : false));
    }, 150);
    return () => {
      clearTimeout(timer);
      stop.abort();
      searching.value = false;
    };
  }, [wanted.value, caseless.value]);

  function step(by: number): void {
    const { value } = hits;
    if (value.length === 0) return;
    hit.value = hit.value === -1 ? nearest() : (hit.value + by + value.length) % value.length;
    showLine(value[hit.value] ?? 0);
  }

  /** The first hit that is not above what is seen. */
  function nearest(): number {
    const line = lineOfRow(shown, Math.floor((top.value * scale) / rowHeight));
    const found = hits.value.findIndex((each) => each >= line);
    return found === -1 ? 0 : found;
  }

  function choose(event: MouseEvent, line: number): void {
    event.preventDefault();
    const last = rangeOf(address.value.hash);
    const hash =
      event.shiftKey && last !== undefined
        ? `#L${Math.min(last[0], line)}-${Math.max(last[0], line)}`
        : `#L${line}`;
    const next = new URL(address.value);
    next.hash = hash;
    jumped.current = hash;
    history.replaceState(null, '', next);
    address.value = next;
    follow.value = false;
  }

  function toggle(line: number): void {
    const next = new Set(folded.value);
    if (!next.delete(line)) next.add(line);
    folded.value = next;
  }

  function scrolled(): void {
    const element = box.current;
    if (element === null) return;
    const up = element.scrollTop < top.value;
    top.value = element.scrollTop;
    place.current = element.scrollTop * scale;
    const atEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - 2;
    if (atEnd) follow.value = source.state.value !== 'ended' || follow.value;
    else if (up) follow.value = false;
  }

  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const { target } = event;
      const typing =
        target instanceof HTMLInputElement ||
        target instanceof HTMLTextAreaElement ||
        target instanceof HTMLSelectElement;
      if (typing) return;
      const done = keyed(event.key);
      if (done) event.preventDefault();
    };
    addEventListener('keydown', keys);
    return () => removeEventListener('keydown', keys);
  });

  function keyed(key: string): boolean {
    switch (key) {
      case '/':
        field.current?.focus();
        return true;
      case 'n':
        step(1);
        return true;
      case 'N':
        step(-1);
        return true;
      case 'g':
        showLine(0);
        return true;
      case 'G':
        follow.value = false;
        showLine(lines.count - 1);
        return true;
      case 'f':
        follow.value = !follow.value;
        return true;
      default:
        return false;
    }
  }

  const rows = [];
  const digits = Math.max(3, String(lines.count).length);
  for (let row = firstRow; row < lastRow; row++) {
    const line = lineOfRow(shown, row);
    const text = lines.text(line);
    const mark = steps.find((each) => each.line === line);
    const named = range !== undefined && line + 1 >= range[0] && line + 1 <= range[1];
    rows.push(
      <div
        key={line}
        class={`line ${named ? 'named' : ''} ${mark === undefined ? '' : 'step'} ${hits.value[hit.value] === line ? 'hit' : ''}`}
      >
        <a
          class="gutter"
          href={`#L${line + 1}`}
          aria-label={`Line ${line + 1}`}
          onClick={(event) => choose(event, line + 1)}
          style={{ width: `${digits + 2}ch` }}
        >
          {line + 1}
        </a>
        {mark === undefined ? (
          <LineText text={text} wanted={wanted.value} caseless={caseless.value} />
        ) : (
          <button type="button" aria-expanded={!folded.value.has(line)} onClick={() => toggle(line)}>
            Step {mark.number} <bdi>{plain(mark.name)}</bdi>
          </button>
        )}
      </div>,
    );
  }
  // The first row that is drawn, where the box is scrolled to.
  const y = top.value + firstRow * rowHeight - top.value * scale;

  return (
    <div class="console">
      <div class="toolbar">
        <span class={`state ${source.state.value}`} role="status">
          {words[source.state.value]}
        </span>
        <span class="dim num">{lines.count.toLocaleString('en')} lines</span>
        <label class="search">
          <span class="sr">Search in the console</span>
          <input
            ref={field}
            type="search"
            placeholder="Search ( / )"
            value={wanted.value}
            onInput={(event) => (wanted.value = event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter') step(event.shiftKey ? -1 : 1);
              if (event.key === 'Escape') box.current?.focus();
            }}
          />
        </label>
        {wanted.value === '' ? null : (
          <span class="dim num" role="status">
            {hits.value.length === 0
              ? searching.value
                ? 'searching'
                : 'not found'
              : `${hit.value + 1} of ${hits.value.length}`}
          </span>
        )}
        <label class="check">
          <input
            type="checkbox"
            checked={!caseless.value}
            onChange={(event) => (caseless.value = !event.currentTarget.checked)}
          />
          Match case
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={follow.value}
            onChange={(event) => (follow.value = event.currentTarget.checked)}
          />
          Follow
        </label>
        {steps.length < 2 ? null : (
          <button
            type="button"
            onClick={() =>
              (folded.value = folded.value.size > 0 ? new Set() : new Set(steps.map(({ line }) => line)))
            }
          >
            {folded.value.size > 0 ? 'Unfold steps' : 'Fold steps'}
          </button>
        )}
        {plainText === undefined ? null : <a href={plainText}>Plain text</a>}
      </div>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard */}
      <div ref={box} class="lines" role="region" aria-label="Console" tabIndex={0} onScroll={scrolled}>
        <div class="tall" style={{ height: `${tall}px` }}>
          <div class="drawn" style={{ transform: `translateY(${y}px)` }}>
            {rows}
          </div>
        </div>
      </div>
    </div>
  );
}
