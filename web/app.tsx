import { useEffect, useRef } from 'preact/hooks';
import { keepToken, token } from './api.ts';
import { chooseZone, plain, zone, zoneName } from './format.ts';
import { link } from './live.ts';
import { pageAt } from './pages.ts';
import { Asking, signIn } from './parts/actions.tsx';
import { Empty } from './parts/states.tsx';
import { go, href, path } from './router.ts';
import { nextTheme, theme } from './theme.ts';

/** The frame around every page: where one is, where one may go, and whether what one sees is true now. */

const places: readonly (readonly [string, string])[] = [
  ['/', 'Status'],
  ['/builds', 'Builds'],
  ['/jobs', 'Jobs'],
  ['/nodes', 'Nodes'],
  ['/ledger', 'Ledger'],
  ['/config', 'Configuration'],
];

export function App() {
  const found = pageAt(path.value);
  useEffect(() => {
    document.title = `${plain(found?.title ?? 'Not found', 100)} · Stackgate`;
  }, [found?.title]);
  const Page = found?.page;
  return (
    <>
      <a class="skip" href="#main">
        To the content
      </a>
      <header class="frame">
        <a class="home" href="/">
          <Mark />
          Stackgate
        </a>
        <nav aria-label="Pages">
          {places.map(([to, name]) => (
            <a key={to} href={to} aria-current={isHere(to) ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <Jump />
        <div class="switches">
          <Linked />
          <button
            type="button"
            onClick={() => chooseZone(zone.value === 'utc' ? 'local' : 'utc')}
            title="Time zone of all times"
          >
            {zoneName.value}
          </button>
          <button type="button" onClick={nextTheme} title="Colours">
            {theme.value}
          </button>
          {token.value === '' ? (
            <button type="button" onClick={signIn}>
              Token
            </button>
          ) : (
            <button type="button" onClick={() => keepToken('')} title="Forget the token of this tab">
              Forget token
            </button>
          )}
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {Page === undefined || found === undefined ? (
          <Empty>
            <h1>Not found</h1>
            There is no page at <code>{plain(path.value, 200)}</code>. <a href="/">Go to the status.</a>
          </Empty>
        ) : (
          <Page key={path.value} names={found.names} />
        )}
      </main>
      <Asking />
    </>
  );
}

function isHere(to: string): boolean {
  if (to === '/') return path.value === '/';
  return (
    path.value === to ||
    path.value.startsWith(`${to}/`) ||
    (to === '/builds' && path.value.startsWith('/build/'))
  );
}

/** One field that finds a change, a build or a job. */
function Jump() {
  const field = useRef<HTMLInputElement>(null);
  return (
    <form
      class="jump"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const text = field.current?.value.trim() ?? '';
        if (text === '') return;
        go(placeOf(text));
        if (field.current !== null) field.current.value = '';
      }}
    >
      <label>
        <span class="sr">Go to a change, build or job</span>
        <input ref={field} type="search" name="q" placeholder="Change, build or job" autocomplete="off" />
      </label>
    </form>
  );
}

/** `1234`, `1234,5` or Gerrit's address: a change. Seven and more hex digits: a build. Else a job. */
export function placeOf(text: string): string {
  const change =
    /^(\d{1,9}(?:,\d{1,4})?)$/.exec(text)?.[1] ?? /\/\+\/(\d{1,9})(?:\/\d+)?\/?$/.exec(text)?.[1];
  if (change !== undefined) return `/change/${change}`;
  if (/^[0-9a-f]{7,32}$/.test(text)) return `/build/${text}`;
  return href('/builds', { job: text });
}

function Linked() {
  const words = { live: 'live', connecting: 'connecting', lost: 'not live' };
  return (
    <span class={`linked ${link.value}`} role="status" title="Whether this page is told about changes">
      {words[link.value]}
    </span>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
      <rect width="32" height="32" rx="7" />
      <path d="M8 23V9M24 23V9M8 11h16M8 17h16M13 23h6" />
    </svg>
  );
}
