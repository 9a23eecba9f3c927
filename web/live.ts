import { effect, type ReadonlySignal, signal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { type Answer, type Failure, get, learnTime, token } from './api.ts';

/** One stream of the server says that something changed; what a page shows is then asked for again. */

export type Link = 'connecting' | 'live' | 'lost';

export const link = signal<Link>('connecting');
/** Grows with every word of the server. */
const changes = signal(0);
/** Ticks once a second while the page is seen: times that run are made of it. */
export const second = signal(Date.now());

export function listen(): void {
  const source = new EventSource('/api/v1/live');
  source.addEventListener('open', () => (link.value = 'live'));
  source.addEventListener('error', () => {
    link.value = 'lost';
    // A browser that was answered with an error does not ask again by itself.
    if (source.readyState !== EventSource.CLOSED) return;
    source.close();
    setTimeout(listen, 5_000);
  });
  source.addEventListener('changed', (event) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server's own contract
    learnTime((JSON.parse(String(event.data)) as { at: number }).at);
    changes.value += 1;
  });
}

setInterval(() => {
  if (!document.hidden) second.value = Date.now();
}, 1_000);

export interface Resource<T> {
  readonly value: ReadonlySignal<T | undefined>;
  readonly failure: ReadonlySignal<Failure | undefined>;
  /** When it was last known to be true, ms. */
  readonly at: ReadonlySignal<number | undefined>;
  reload(): void;
}

export interface ResourceOptions {
  /** ms between looks though nothing is said to have changed. 0: none. */
  readonly every?: number;
  readonly withToken?: boolean;
  /** Not asked again when something changes. */
  readonly still?: boolean;
}

/** What is behind an address of the API, for as long as a page shows it. An old answer stays until there is a new one. */
export function useResource<T>(url: string | undefined, options: ResourceOptions = {}): Resource<T> {
  const { every = 30_000, withToken = false, still = false } = options;
  const resource = useMemo(() => openResource<T>(url, withToken), [url, withToken]);
  useEffect(() => {
    resource.reload();
    const timer = every === 0 ? undefined : setInterval(() => !document.hidden && resource.reload(), every);
    let first = true;
    const stop = effect(() => {
      if (changes.value >= 0 && !first && !still) resource.reload();
      first = false;
    });
    return () => {
      clearInterval(timer);
      stop();
      resource.close();
    };
  }, [resource, every, still]);
  return resource;
}

function openResource<T>(url: string | undefined, withToken: boolean): Resource<T> & { close(): void } {
  const value = signal<T | undefined>(undefined);
  const failure = signal<Failure | undefined>(undefined);
  const at = signal<number | undefined>(undefined);
  const gone = new AbortController();
  let asking = false;
  let again = false;

  function take(answer: Answer<T>): void {
    if (answer.ok) {
      value.value = answer.value;
      failure.value = undefined;
      at.value = Date.now();
    } else failure.value = answer.failure;
  }

  async function ask(address: string): Promise<void> {
    const began = Date.now();
    take(await get<T>(address, gone.signal, withToken ? token.value : ''));
    // An answer that is slow to make or to show is asked for less often.
    const rest = Math.min(10_000, Math.max(300, (Date.now() - began) * 5));
    await new Promise((resolve) => setTimeout(resolve, rest));
  }

  function reload(): void {
    if (url === undefined || gone.signal.aborted) return;
    again = true;
    if (asking) return;
    asking = true;
    void (async () => {
      while (again && !gone.signal.aborted) {
        again = false;
        await ask(url);
      }
    })()
      .catch(() => undefined)
      .finally(() => (asking = false));
  }

  return { value, failure, at, reload, close: () => gone.abort() };
}
