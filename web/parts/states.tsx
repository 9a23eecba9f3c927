import type { ComponentChildren } from 'preact';
import type { Failure } from '../api.ts';
import { plain } from '../format.ts';
import type { Resource } from '../live.ts';

/** Nothing there, not there yet, not to be had: said in words, where the thing would be. */

export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="empty">{children}</div>;
}

export function Trouble({ failure }: { failure: Failure }) {
  return (
    <p class="trouble" role="alert">
      {plain(failure.message, 600)}
      {failure.hint === undefined ? null : <span class="dim"> ({plain(failure.hint, 300)})</span>}
    </p>
  );
}

/** What a resource holds; while it has nothing yet, why. An old value stays, with the trouble above it. */
export function Shown<T>({
  of,
  title,
  children,
}: {
  of: Resource<T>;
  /** Heading of the page while there is nothing that has one. */
  title?: string;
  children: (value: T) => ComponentChildren;
}) {
  const value = of.value.value;
  const failure = of.failure.value;
  return (
    <>
      {value !== undefined || title === undefined ? null : <h1>{plain(title, 200)}</h1>}
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
