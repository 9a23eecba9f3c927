import { asFault } from '../pipelines/fault.ts';
import type { ProviderView } from './allocate.ts';
import type { ProviderConfig } from './config/config.ts';
import type { Probed, Provider, Resources, Setback } from './provider.ts';
import { tighter } from './room.ts';
import { type Timer, within } from './timer.ts';

/**
 * What stands between the launcher and one provider: calls are spaced and have a deadline, what it throws becomes a setback, and
 * what it refused is remembered, so that nobody knocks again at once.
 *
 * After a quota refusal the room is taken to be what we have now; it is felt for again after a pause, by one node, then two, four ...
 * while that goes well. So a provider whose quota others share costs a call now and then, and never a storm.
 */
export interface Desk {
  readonly provider: Provider;
  readonly config: ProviderConfig;
  /** One call, in its turn. */
  call<T>(
    name: string,
    work: (signal: AbortSignal) => Promise<T | Setback>,
    signal: AbortSignal,
  ): Promise<T | Setback>;
  /** A quota or room refusal, while `have` nodes of ours exist. */
  refused(setback: Setback, have: number, zone: string | undefined): void;
  /** A node was made while `have` others exist. */
  made(have: number): void;
  /** This label cannot be made for now: a permanent refusal. */
  spoiled(label: string, reason: string): void;
  /** Asks how much room there is, if that is due. */
  probe(signal: AbortSignal): Promise<void>;
  view(closed: string | undefined, out: ReadonlyMap<string, string>): ProviderView;
  /** Calls so far, by name of the method: for metrics. */
  readonly calls: ReadonlyMap<string, number>;
}

const probeEvery = 5 * 60_000;
const firstPause = 30_000;
const longestPause = 5 * 60_000;
const zonePause = 60_000;

export function openDesk(provider: Provider, config: ProviderConfig, timer: Timer, log: Say): Desk {
  let nextCall = 0;
  const calls = new Map<string, number>();
  let probed: Probed | undefined;
  let probeAt = 0;
  /** It will have nothing to do with us. */
  let shut: string | undefined;
  /** What a refusal taught: instances, felt for again at `until`. */
  let learned: { instances: number; until: number; pause: number; step: number; reason: string } | undefined;
  const spoiledLabels = new Map<string, { reason: string; until: number }>();
  const fullZones = new Map<string, { reason: string; until: number }>();

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
    async call(name, work, signal) {
      await turn(signal);
      calls.set(name, (calls.get(name) ?? 0) + 1);
      try {
        const done = await within(timer, config.apiTimeout, signal, work);
        if (done.kind === 'done') return done.value;
        return { kind: 'transient', reason: `no answer within ${Math.round(config.apiTimeout / 1000)} s` };
      } catch (caught) {
        if (signal.aborted) throw caught;
        const fault = asFault(caught);
        log('provider threw', { provider: config.name, error: fault.message });
        return { kind: 'transient', reason: fault.message };
      }
    },
    refused(setback, have, zone) {
      const now = timer.now();
      if (setback.kind === 'full' && zone !== undefined && zone !== '') {
        fullZones.set(zone, { reason: setback.reason, until: now + zonePause });
        return;
      }
      const isNews = learned === undefined || now >= learned.until;
      const pause = isNews
        ? Math.min(longestPause, (learned?.pause ?? firstPause / 2) * 2)
        : (learned?.pause ?? firstPause);
      learned = { instances: have, until: now + pause, pause, step: 0, reason: setback.reason };
      // Perhaps the quota was changed.
      probeAt = Math.min(probeAt, now + pause);
    },
    made(have) {
      if (learned === undefined || timer.now() < learned.until || have < learned.instances) return;
      learned = { ...learned, instances: have + 1, step: Math.max(1, learned.step * 2), pause: firstPause };
    },
    spoiled(label, reason) {
      spoiledLabels.set(label, { reason, until: timer.now() + probeEvery });
    },
    async probe(signal) {
      if (timer.now() < probeAt) return;
      probeAt = timer.now() + probeEvery;
      const kinds = [...config.kinds.values()].map(({ kind }) => kind);
      const answer = await desk.call('probe', (inTime) => provider.probe(kinds, inTime), signal);
      if (answer.kind === 'probed') {
        probed = answer;
        shut = undefined;
        return;
      }
      if (answer.kind === 'permanent') shut = answer.reason;
      log('probe failed', { provider: config.name, reason: answer.reason });
      probeAt = timer.now() + zonePause;
    },
    view(closed, out) {
      const now = timer.now();
      const site = config.limits;
      const room = probed === undefined ? site : tighter(site, probed.capacity);
      const felt =
        learned === undefined
          ? {}
          : {
              instances:
                now < learned.until ? learned.instances : learned.instances + Math.max(1, learned.step),
            };
      const zones = config.zones.length > 0 ? config.zones : (probed?.zones ?? []);
      return {
        name: config.name,
        priority: config.priority,
        retries: config.launchRetries,
        offers: offers(now),
        places: provider.places,
        zones: zonesOf(zones),
        limits: tighter(room, felt),
        most: tighter(config.disabled === undefined ? site : {}, probed?.quota ?? {}),
        closed: config.disabled ?? shut ?? closed,
        out: new Map([
          ...out,
          ...[...fullZones].flatMap(([zone, each]): [string, string][] =>
            now < each.until ? [[zone, each.reason]] : [],
          ),
        ]),
      };
    },
  };
  return desk;

  function zonesOf(zones: readonly string[]): readonly string[] {
    const places = provider.places;
    if (places !== undefined) return [...new Set(places.map((place) => place.zone ?? ''))];
    return zones.length > 0 ? zones : [''];
  }

  function offers(now: number): Map<string, Resources | { never: string }> {
    const made = new Map<string, Resources | { never: string }>();
    for (const [label, { resources }] of config.kinds) {
      const known =
        probed !== undefined && Object.hasOwn(probed.kinds, label) ? probed.kinds[label] : undefined;
      const bad = spoiledLabels.get(label);
      if (bad !== undefined && now < bad.until) made.set(label, { never: bad.reason });
      else if (known !== undefined && 'never' in known) made.set(label, { never: known.never });
      else made.set(label, known ?? resources);
    }
    return made;
  }
}

/** One line of what happened, with its values apart. */
export type Say = (line: string, values: Readonly<Record<string, unknown>>) => void;
