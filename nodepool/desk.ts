import { asFault } from '../pipelines/fault.ts';
import type { ProviderConfig } from './config/config.ts';
import type { ProviderView } from './ground.ts';
import type { Probed, Provider, Resources, Setback } from './provider.ts';
import { tighter } from './room.ts';
import { type Timer, within } from './timer.ts';

/**
 * What stands between the launcher and one provider: calls are spaced and have a deadline, what it throws becomes a setback, and
 * what it refused is remembered, so that nobody knocks again at once.
 *
 * After a quota refusal the room is taken to be what we have now; it is felt for again after a pause, one node at a time while
 * that goes well. So a provider whose quota others share costs a call now and then, and never a storm.
 */
export interface Desk {
  readonly provider: Provider;
  readonly config: ProviderConfig;
  /** One call, in its turn. */
  call<T>(
    name: string,
    work: (signal: AbortSignal) => Promise<T | Setback>,
    signal: AbortSignal,
    /** ms it may take; `api-timeout` where left out. */
    limit?: number,
  ): Promise<T | Setback>;
  /** A quota or room refusal, while `have` nodes of ours exist. */
  refused(
    setback: Setback,
    have: number,
    where: { readonly zone?: string | undefined; readonly place?: string | undefined },
  ): void;
  /** Why there is no room for one more than `have`, as the last refusal taught. */
  full(have: number): string | undefined;
  /** A node was made while `have` others exist. */
  made(have: number): void;
  /** This label cannot be made for now: a permanent refusal. */
  spoiled(label: string, reason: string): void;
  /** Asks how much room there is, if that is due. */
  probe(signal: AbortSignal): Promise<void>;
  view(closed: string | undefined, out: ReadonlyMap<string, string>): ProviderView;
  /** Calls so far, by name of the method: for metrics. */
  readonly calls: ReadonlyMap<string, number>;
  /** Closes the provider when the calls under way have ended. */
  close(): Promise<void>;
}

const probeEvery = 5 * 60_000;
const firstPause = 30_000;
const longestPause = 5 * 60_000;
const outPause = 60_000;

export function openDesk(provider: Provider, config: ProviderConfig, timer: Timer, log: Say): Desk {
  let nextCall = 0;
  const calls = new Map<string, number>();
  const underWay = new Set<Promise<unknown>>();
  let probed: Probed | undefined;
  let probeAt = 0;
  /** It will have nothing to do with us. */
  let shut: string | undefined;
  /** What a refusal taught: instances, felt for again at `until`. */
  let learned: Learned | undefined;

  const spoiledLabels = new Map<string, { reason: string; until: number }>();
  /** Zones and hosts. */
  const outNow = new Map<string, { reason: string; until: number }>();

  async function turn(signal: AbortSignal): Promise<void> {
    const now = timer.now();
    const at = Math.max(now, nextCall);
    nextCall = at + config.rate;
    if (at > now) await timer.sleep(at - now, signal);
  }

  const desk: Desk = {
    provider,
    config,
    calls,
    async call(name, work, signal, limit = config.apiTimeout) {
      await turn(signal);
      calls.set(name, (calls.get(name) ?? 0) + 1);
      try {
        const call = within(timer, limit, signal, work);
        underWay.add(call);
        const done = await call.finally(() => underWay.delete(call));
        if (done.kind === 'done') return done.value;
        return { kind: 'transient', reason: `no answer within ${Math.round(limit / 1000)} s` };
      } catch (caught) {
        if (signal.aborted) throw caught;
        const fault = asFault(caught);
        log('provider threw', { provider: config.name, error: fault.message });
        return { kind: 'transient', reason: fault.message };
      }
    },
    refused(setback, have, where) {
      const now = timer.now();
      const host = provider.places?.find((each) => each.id === where.place)?.host;
      const name = host ?? where.zone ?? '';
      if (host !== undefined || (setback.kind === 'full' && name !== '')) {
        outNow.set(name, { reason: setback.reason, until: now + outPause });
        return;
      }
      const isNews = learned === undefined || now >= learned.until;
      const pause = isNews
        ? Math.min(longestPause, (learned?.pause ?? firstPause / 2) * 2)
        : (learned?.pause ?? firstPause);
      const instances = isNews ? have : Math.min(have, learned?.instances ?? have);
      learned = { instances, until: now + pause, pause, reason: setback.reason };
      // Perhaps the quota was changed.
      probeAt = Math.min(probeAt, now + pause);
    },
    full(have) {
      return learned === undefined || have < felt(learned) ? undefined : learned.reason;
    },
    made(have) {
      if (learned === undefined || timer.now() < learned.until || have < learned.instances) return;
      learned = { ...learned, instances: have + 1, pause: firstPause };
    },
    spoiled(label, reason) {
      spoiledLabels.set(label, { reason, until: timer.now() + probeEvery });
    },
    async probe(signal) {
      if (timer.now() < probeAt) return;
      probeAt = timer.now() + probeEvery;
      const kinds = [...new Set([...config.kinds.values()].map(({ kind }) => kind))];
      const answer = await desk.call('probe', (inTime) => provider.probe(kinds, inTime), signal);
      if (answer.kind === 'probed') {
        probed = answer;
        shut = undefined;
        return;
      }
      if (answer.kind === 'permanent') shut = answer.reason;
      log('probe failed', { provider: config.name, reason: answer.reason });
      probeAt = timer.now() + outPause;
    },
    async close() {
      await Promise.allSettled(underWay);
      await provider[Symbol.asyncDispose]();
    },
    view(closed, out) {
      const now = timer.now();
      const site = config.limits;
      const room = probed === undefined ? site : tighter(site, probed.capacity);
      const taught = learned === undefined ? {} : { instances: felt(learned) };
      const zones = config.zones.length > 0 ? config.zones : (probed?.zones ?? []);
      return {
        name: config.name,
        family: config.family,
        priority: config.priority,
        retries: config.launchRetries,
        offers: offers(now),
        places: provider.places,
        zones: zonesOf(zones),
        limits: tighter(room, taught),
        most: tighter(config.disabled === undefined ? site : {}, probed?.quota ?? {}),
        concurrency: config.concurrency,
        closed: config.disabled ?? shut ?? closed,
        out: new Map([
          ...out,
          ...[...outNow].flatMap(([zone, each]): [string, string][] =>
            now < each.until ? [[zone, each.reason]] : [],
          ),
        ]),
      };
    },
  };
  return desk;

  function felt({ instances, until }: Learned): number {
    return timer.now() < until ? instances : instances + 1;
  }

  function zonesOf(zones: readonly string[]): readonly string[] {
    const places = provider.places;
    if (places !== undefined) return [...new Set(places.map((place) => place.zone ?? ''))];
    return zones.length > 0 ? zones : [''];
  }

  function offers(now: number): Map<string, Resources | { never: string }> {
    const made = new Map<string, Resources | { never: string }>();
    // A label and its base are one kind.
    for (const [label, { kind, resources }] of config.kinds) {
      const known =
        probed !== undefined && Object.hasOwn(probed.kinds, kind.label)
          ? probed.kinds[kind.label]
          : undefined;
      const bad = spoiledLabels.get(label);
      if (bad !== undefined && now < bad.until) made.set(label, { never: bad.reason });
      else if (known !== undefined && 'never' in known) made.set(label, { never: known.never });
      else made.set(label, known ?? resources);
    }
    return made;
  }
}

interface Learned {
  readonly instances: number;
  readonly until: number;
  readonly pause: number;
  readonly reason: string;
}

/** One line of what happened, with its values apart. */
export type Say = (line: string, values: Readonly<Record<string, unknown>>) => void;
