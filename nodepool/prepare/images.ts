import type { ImageRecord } from './record.ts';

/** Which prepared image a new machine is made from, and which ones go: pure. */

export interface ImageOf {
  readonly label: string;
  readonly provider: string;
  /** The base image, as nodepool.yaml names it now. */
  readonly base: string;
}

/** The newest that is ready and still has this base; undefined: the base image itself. */
export function currentImage(images: Iterable<ImageRecord>, of: ImageOf): ImageRecord | undefined {
  return newest(images, of).find((image) => image.state.phase === 'ready' && image.base === of.base);
}

/** Why the newest prepared image is not the one that is used, in words. */
export function whyNotNewest(images: Iterable<ImageRecord>, of: ImageOf): string | undefined {
  const [last] = newest(images, of).filter(
    ({ state }) => state.phase === 'ready' || state.phase === 'unusable',
  );
  if (last === undefined || last === currentImage([last], of)) return undefined;
  if (last.state.phase === 'unusable')
    return `the prepared image ${last.name} cannot be used: ${last.state.reason}`;
  return `the prepared image ${last.name} was made from ${last.base}, and the label now has ${of.base}: prepare it again`;
}

/**
 * Images that are of no more use, and why: all but the newest `keep` that are ready. What is being saved by a preparation that
 * still runs stays; `saving` names those.
 */
export function superfluous(
  images: readonly ImageRecord[],
  of: { readonly label: string; readonly provider: string; readonly keep: number },
  saving: ReadonlySet<string>,
): { readonly image: ImageRecord; readonly reason: string }[] {
  const mine = newest(images, of);
  const ready = mine.filter(({ state }) => state.phase === 'ready');
  const old = ready.slice(of.keep).map((image) => ({ image, reason: `${of.keep} newer ones are there` }));
  const bad = mine
    .filter(({ state }) => state.phase === 'unusable')
    .map((image) => ({ image, reason: 'it cannot be used' }));
  const cut = mine
    .filter(({ id, state }) => state.phase === 'saving' && !saving.has(id))
    .map((image) => ({ image, reason: 'it was never finished' }));
  return [...old, ...bad, ...cut];
}

function newest(
  images: Iterable<ImageRecord>,
  of: { readonly label: string; readonly provider: string },
): ImageRecord[] {
  return [...images]
    .filter(({ label, provider }) => label === of.label && provider === of.provider)
    .sort((a, b) => (a.id < b.id ? 1 : -1));
}
