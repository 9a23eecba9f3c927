/**
 * `Depends-On:` lines. Zuul 2 knew Change-Ids: one at a line's start, in any case, standing for every open change that has it.
 * Stackgate's dialect also takes the address of one change, as later Zuuls do, in each form in which Gerrit has shown it:
 *
 *     https://review.example.org/c/org/project/+/1234        https://review.example.org/1234
 *     https://review.example.org/#/c/1234/                   https://review.example.org/#/c/org/project/+/1234/5
 *
 * The address is only read, never followed: the change is asked for by its number, at its current patchset.
 */
export type DependsOn =
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'number'; readonly number: string };

/** In the order of the text, once each. `hosts`: names of the Gerrit the change is on; without any, only Change-Ids count. */
export function dependsOnLines(message: string, hosts: readonly string[]): DependsOn[] {
  const found = new Map<string, DependsOn>();
  for (const line of message.split('\n')) {
    const text = /^depends-on:[ \t]*(\S+)[ \t]*\r?$/i.exec(line)?.[1];
    const depends = text === undefined ? undefined : read(text, hosts);
    if (depends === undefined) continue;
    const key = depends.kind === 'id' ? depends.id : depends.number;
    if (!found.has(key)) found.set(key, depends);
  }
  return [...found.values()];
}

/** Addresses that `Depends-On:` lines name and that nobody here can follow: another place, or none that we know the form of. */
export function strangeAddresses(message: string, hosts: readonly string[]): string[] {
  const texts = message.split('\n').flatMap((line) => {
    const text = /^depends-on:[ \t]*(\S+)[ \t]*\r?$/i.exec(line)?.[1];
    return text !== undefined && read(text, hosts) === undefined ? [text.slice(0, LONGEST)] : [];
  });
  return [...new Set(texts)].slice(0, MOST_STRANGE);
}
/** A message may be as long as its author likes. */
const MOST_STRANGE = 10;

export function dependsOnIds(message: string): string[] {
  return dependsOnLines(message, []).flatMap((depends) => (depends.kind === 'id' ? [depends.id] : []));
}

function read(text: string, hosts: readonly string[]): DependsOn | undefined {
  if (/^I[0-9a-f]{40}$/i.test(text)) return { kind: 'id', id: text };
  const number = hosts.length === 0 ? undefined : changeNumber(text, hosts);
  return number === undefined ? undefined : { kind: 'number', number };
}

/** Behind what a Gerrit may have before its paths: the number, `c/` and the number, or `c/`, the project, `+/` and the number. */
const PATH = /^\/(?:[\w.~-]+\/)*?(?:#\/)?(?:c\/(?:[^?#]+\/\+\/)?)?([1-9]\d{0,14})(?:\/\d+)?\/?(?:[?#].*)?$/;

/** Longer than any address that Gerrit shows; what a longer one costs to read grows with its square. */
const LONGEST = 500;

function changeNumber(text: string, hosts: readonly string[]): string | undefined {
  if (text.length > LONGEST) return undefined;
  const [, host, path] = /^https?:\/\/([\w.-]+)(?::\d+)?(\/\S*)$/i.exec(text) ?? [];
  if (host === undefined || path === undefined) return undefined;
  if (!hosts.some((ours) => ours.toLowerCase() === host.toLowerCase())) return undefined;
  return PATH.exec(path)?.[1];
}

/** The host of an address, to compare with. */
export function hostOf(url: string): string[] {
  const host = /^https?:\/\/([\w.-]+)(?::\d+)?(?:\/|$)/i.exec(url)?.[1];
  return host === undefined ? [] : [host.toLowerCase()];
}

/** What a message says that names this change by its address: what a Gerrit can be asked for. */
export function addressesOf({
  url,
  project,
  number,
}: {
  readonly url: string;
  readonly project: string;
  readonly number: string;
}): string[] {
  const port = /^https?:\/\/[\w.-]+(:\d+)/i.exec(url)?.[1];
  // People leave the port out where it is not needed.
  const places = hostOf(url).flatMap((host) => (port === undefined ? [host] : [host, `${host}${port}`]));
  return places.flatMap((place) => [
    `${place}/${number}`,
    `${place}/c/${project}/+/${number}`,
    `${place}/#/c/${number}`,
    `${place}/#/c/${project}/+/${number}`,
  ]);
}
