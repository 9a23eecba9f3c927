import { type Signal, signal } from '@preact/signals';
import { Lines } from './lines.ts';
import { type Step, stepScanner } from './steps.ts';

/** The console of one build as it comes: first what is there, as one stream of bytes, then what is added, as events. */

export type SourceState = 'loading' | 'live' | 'ended' | 'lost' | 'absent' | 'too-long';

export interface Source {
  readonly lines: Lines;
  readonly steps: Signal<readonly Step[]>;
  readonly state: Signal<SourceState>;
  /** Grows whenever there is more; at most once a frame. */
  readonly version: Signal<number>;
  close(): void;
}

/** Bytes that a tab keeps. What is longer is read as a file. */
const most = 256 * 1024 * 1024;

export function openConsole(uuid: string): Source {
  const url = `/api/v1/builds/${encodeURIComponent(uuid)}/console`;
  const lines = new Lines();
  const steps = signal<readonly Step[]>([]);
  const state = signal<SourceState>('loading');
  const version = signal(0);
  const gone = new AbortController();
  const scan = stepScanner(lines);
  let waiting = false;
  let events: EventSource | undefined;

  function grew(): void {
    if (waiting) return;
    waiting = true;
    // A hidden tab draws no frames, and needs none.
    requestAnimationFrame(() => {
      waiting = false;
      const found = scan();
      if (found.length > 0) steps.value = [...steps.value, ...found];
      version.value += 1;
    });
  }

  async function load(): Promise<void> {
    const response = await fetch(url, { signal: gone.signal, credentials: 'omit' });
    if (response.status === 404) {
      state.value = 'absent';
      return;
    }
    if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`);
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      lines.add(value);
      grew();
      if (lines.size > most) {
        state.value = 'too-long';
        await reader.cancel();
        return;
      }
    }
    grew();
    follow();
  }

  function follow(): void {
    if (gone.signal.aborted) return;
    const source = new EventSource(`${url}?offset=${lines.size}`);
    events = source;
    const encoder = new TextEncoder();
    source.addEventListener('open', () => (state.value = 'live'));
    source.addEventListener('message', (event) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server's own contract
      const { text } = JSON.parse(String(event.data)) as { text: string };
      const bytes = encoder.encode(text);
      const from = Number(event.lastEventId) - bytes.length;
      lines.add(bytes.subarray(Math.max(0, lines.size - from)));
      grew();
    });
    source.addEventListener('end', () => {
      source.close();
      state.value = 'ended';
      grew();
    });
    source.addEventListener('error', () => {
      if (state.value === 'live') state.value = 'lost';
      if (source.readyState !== EventSource.CLOSED || gone.signal.aborted) return;
      setTimeout(follow, 3_000);
    });
  }

  load().catch(() => {
    if (gone.signal.aborted) return;
    state.value = 'lost';
    // What came is kept: the events go on from there.
    setTimeout(follow, 2_000);
  });

  return {
    lines,
    steps,
    state,
    version,
    close() {
      gone.abort();
      events?.close();
    },
  };
}
