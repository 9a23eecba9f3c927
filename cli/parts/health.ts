import type { Probe } from '../../server/ports.ts';
import type { House } from '../house.ts';

/** What must work for this process to be of use. */
export function probes(house: House): Readonly<Record<string, Probe>> {
  const { roles } = house;
  return {
    ...watched(house),
    ...(roles.has('scheduler')
      ? { scheduler: leads(house), configuration: isFresh(house), gerrit: listens(house) }
      : {}),
    ...(roles.has('server') && !roles.has('scheduler') ? { world: knowsWorld(house) } : {}),
  };
}

/** PostgreSQL, Redis: whether they answer, and if not, since when nothing moves and what to do. */
function watched({ made }: House): Readonly<Record<string, Probe>> {
  return Object.fromEntries(
    Object.entries(made.core?.watches ?? {}).map(([name, watch]) => [name, async () => watch.state()]),
  );
}

/** A second scheduler that stands by is as ready as it can be. */
function leads({ made, roles }: House): Probe {
  return async () => {
    const leading = made.reign?.aborted === false;
    if (!leading)
      return { ok: !roles.has('server'), detail: roles.has('server') ? 'does not lead' : 'stands by' };
    const configured = made.world?.config !== undefined;
    return { ok: configured, detail: configured ? 'leads' : 'has no configuration yet' };
  };
}

/** The old configuration serves as well as before: a refused one is told, and makes nobody take us out of service. */
function isFresh({ made }: House): Probe {
  return async () => {
    const state = made.reloads?.state();
    if (state === undefined) return { ok: false, detail: 'not started yet' };
    const since = `in force since ${new Date(state.since).toISOString()}`;
    if (state.refused === undefined) return { ok: true, detail: since };
    const { at, why } = state.refused;
    return {
      ok: true,
      detail: `reload refused at ${new Date(at).toISOString()} (${why}); the old one is ${since}`,
    };
  };
}

function listens({ made, roles }: House): Probe {
  return async () => {
    if (made.reign?.aborted !== false && !roles.has('server'))
      return { ok: true, detail: 'the leader listens' };
    const deaf = made.intakes.filter((intake) => intake.state().stream.phase.kind !== 'connected');
    if (made.intakes.length === 0) return { ok: false, detail: 'not started yet' };
    if (deaf.length === 0) return { ok: true, detail: 'every event stream is connected' };
    return { ok: false, detail: `not connected: ${deaf.map(({ connection }) => connection).join(', ')}` };
  };
}

function knowsWorld({ made }: House): Probe {
  return async () => {
    if (made.world?.config !== undefined)
      return { ok: true, detail: 'a scheduler has put a configuration in force' };
    return { ok: false, detail: 'no scheduler has put a configuration in force yet' };
  };
}
