import { isDeepStrictEqual } from 'node:util';
import type { PoolConfig } from './config/config.ts';
import { noFiles, type PoolFiles } from './config/files.ts';
import { readPool } from './config/read.ts';
import { isSettled, type Standing, stand } from './config/standing.ts';
import { type Context, refuse, shapeFor } from './context.ts';
import { type ConfigRecord, freed, type NodeRecord, offlineKey, type RequestRecord } from './node.ts';
import { hostOfPlace, placeId } from './providers/place.ts';
import { type Shape, shapeOf } from './shape.ts';

/**
 * nodepool.yaml changes while nodes exist. What is in use is written down before anything is done by it, with where that stands
 * which is still as it was, so that a restart in the middle of a drain goes on with it.
 */

const nothing: ConfigRecord = { files: [noFiles], old: [] };

/** What the last life used; undefined where there was none, or it cannot be read any more. */
export function standingOf(record: ConfigRecord | undefined): Standing | undefined {
  // Told again in the order it happened: what was kept then is kept now.
  const kept = record?.old.map(({ provider, host }) => ({
    provider,
    place: host === undefined ? undefined : placeId(host, 0),
  }));
  let standing: Standing | undefined;
  for (const { name, text, scripts } of record?.files ?? []) {
    const { config } = readPool({ name, text }, (path) => scripts[path]);
    if (config !== undefined) standing = stand(standing, config, kept ?? []);
  }
  return standing;
}

export function recordOf({ wanted, providers }: Standing): ConfigRecord {
  const files: PoolFiles[] = [];
  const old: ConfigRecord['old'] = [];
  const from = (origin: PoolFiles) => {
    if (!files.includes(origin)) files.push(origin);
  };
  for (const [provider, standing] of providers) {
    if (standing.isOld) {
      from(standing.from);
      old.push({ provider });
    }
    for (const [host, each] of standing.oldHosts) {
      from(each.from);
      old.push({ provider, host });
    }
  }
  return { files: [...files.filter((each) => each !== wanted.files), wanted.files], old };
}

/** Puts a configuration in force, or what is left of the one before. The next plan is made by it. */
export async function change(context: Context, wanted: PoolConfig): Promise<void> {
  const { book, desks, log } = context;
  const before = context.standing;
  const standing = stand(before, wanted, book.nodes.values());
  const shapes = shapesOf(context);
  context.standing = standing;
  context.shapes = new WeakMap();
  desks.apply(standing);
  const gone = [...before.providers.keys()].filter((name) => !standing.providers.has(name));
  const offline = [...book.offline.values()]
    .filter(({ provider }) => gone.includes(provider))
    .map(offlineKey);
  // Everything that is written from now on is written after it.
  const record = recordOf(standing);
  const written = isDeepStrictEqual(record, book.config ?? nothing)
    ? book.settled()
    : book.write({ put: { config: record }, drop: { offline } });
  for (const name of gone) log('provider closed', { provider: name });
  for (const [request, shape] of shapes) seeAgain(context, request, shape);
  context.changed();
  await written;
}

/** Old parts whose last node is gone give way. */
export function settleChange(context: Context): void {
  const { standing, book } = context;
  if (isSettled(standing)) return;
  const next = stand(standing, standing.wanted, book.nodes.values());
  if (recordOf(next).old.length === recordOf(standing).old.length) return;
  change(context, standing.wanted).catch(context.broken);
}

/** Requests that are not served yet, with what they ask for under the configuration in force. */
function shapesOf(context: Context): [RequestRecord, Shape | undefined][] {
  return [...context.book.requests.values()]
    .filter(({ state }) => state.phase !== 'granted')
    .map((request) => [request, shapeFor(context, request)]);
}

/** A request that asks for something else now, or whose nodes are leaving, begins anew. */
function seeAgain(context: Context, request: RequestRecord, before: Shape | undefined): void {
  const read = shapeOf(request.nodes, context.standing.wanted);
  if (read.kind === 'wrong') {
    refuse(context, request.id, read.reason);
    return;
  }
  const nodes = [...context.book.nodes.values()].filter((node) => node.request === request.id);
  const isSame =
    before !== undefined && JSON.stringify(before.members) === JSON.stringify(read.shape.members);
  if (request.state.phase === 'waiting' || (isSame && !nodes.some((node) => isLeaving(context, node))))
    return;
  context.book
    .write({ put: { nodes: nodes.map(freed), requests: [{ ...request, state: { phase: 'waiting' } }] } })
    .catch(context.broken);
}

/** It stands at a provider or on a host that is not as nodepool.yaml says. */
export function isLeaving({ standing }: Context, { provider, place }: NodeRecord): boolean {
  const own = standing.providers.get(provider);
  if (own === undefined) return false;
  return own.isOld || (place !== undefined && own.oldHosts.has(hostOfPlace(place)));
}
