import { computed, signal } from '@preact/signals';

/** The address is the state: every filter is in it, and every page can be sent to somebody. */

export const address = signal(new URL(location.href));

export const path = computed(() => address.value.pathname);
export const query = computed(() => address.value.searchParams);

export function go(to: string, how: 'push' | 'replace' = 'push'): void {
  const next = new URL(to, location.href);
  if (next.href === location.href) return;
  if (how === 'push') history.pushState(null, '', next);
  else history.replaceState(null, '', next);
  const moved = next.pathname !== address.value.pathname;
  address.value = next;
  if (moved && next.hash === '') scrollTo(0, 0);
}

/** Changes parts of the query; empty ones go. */
export function refine(changes: Readonly<Record<string, string | undefined>>): void {
  const next = new URL(address.value);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') next.searchParams.delete(name);
    else next.searchParams.set(name, value);
  }
  go(next.href, 'replace');
}

export function href(to: string, params: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(params).toString();
  return text === '' ? to : `${to}?${text}`;
}

/** A path made of names that strangers chose. */
export function pathOf(...parts: readonly string[]): string {
  return `/${parts.map(encodeURIComponent).join('/')}`;
}

/** Links within the application change the address instead of loading a document. */
export function followLinks(pages: (path: string) => boolean): void {
  addEventListener('popstate', () => {
    address.value = new URL(location.href);
  });
  addEventListener('hashchange', () => {
    address.value = new URL(location.href);
  });
  addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (link === null || link.target !== '' || link.hasAttribute('download')) return;
    const to = new URL(link.href, location.href);
    if (to.origin !== location.origin || !pages(to.pathname)) return;
    if (to.pathname === location.pathname && to.hash !== '') return;
    event.preventDefault();
    go(to.href);
  });
}
