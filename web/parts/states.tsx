import type { ComponentChildren } from 'preact';
import type { Failure } from '../api.ts';
import type { Resource } from '../live.ts';

/** Nothing there, not there yet, not to be had: said in words, where the thing would be. */

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function Trouble({ failure }: { failure: Failure }) {
  return (
    <p class="trouble" role="alert">
      {failure.message}
      {failure.hint === undefined ? null : <span class="dim"> ({failure.hint})</span>}
    </p>
  );
}

/** What a resource holds; while it has nothing yet, why. An old value stays, with the trouble above it. */
export function Shown<T>({ of, children }: { of: Resource<T>; children: (value: T) => ComponentChildren }) {
  const value = of.value.value;
  const failure = of.failure.value;
  return (
    <>
      {failure === undefined ? null : <Trouble failure={failure} />}
      {value === undefined ? (
        failure === undefined ? (
          <p class="empty" aria-busy="true">
            Loading…
          </p>
        ) : null
      ) : (
        children(value)
      )}
    </>
  );
}

/** Heading of a page, and the title of its tab. */
export function Title({ children, aside }: { children: ComponentChildren; aside?: ComponentChildren }) {
  return (
    <div class="title">
      <h1>{children}</h1>
      {aside === undefined ? null : <div class="aside">{aside}</div>}
    </div>
  );
}
