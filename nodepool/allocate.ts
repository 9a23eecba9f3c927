import { type Ground, type Pace, type ProviderView } from './ground.ts';
import { isLaunching, isStock, type NodeRecord, type RequestRecord, takesRoom } from './node.ts';
import { inOrder } from './order.ts';
import { crowded, type Placement, type Placing, placing } from './placing.ts';
import type { Resources } from './provider.ts';
import { freeInstances, lacks, nothing, plus, sum } from './room.ts';
import { type Shape, unknownLabels } from './shape.ts';

/**
 * Who gets which nodes, and why the others wait: pure. One call looks at everything and says what to do next.
 *
 * Requests are walked in order (order.ts). Each takes idle nodes or room for new ones, all from one provider and zone or none.
 * One that does not fit now *reserves* its room where it would go, and nobody behind it may take that: so a set of five nodes
 * is not starved by a stream of single ones. Providers are compared by what is ready there, their priority, and their room.
 * Idle nodes are kept only where nobody waits, and give way when they are in the way.
 */

export interface Demand {
  readonly request: RequestRecord;
  readonly shape: Shape;
  /** Of the request: order of arrival, and its first moment. */
  readonly since: number;
  readonly turn: number;
  /** Its label got nothing for long: it goes first. */
  readonly starved: boolean;
}

export interface LabelView {
  readonly name: string;
  readonly minReady: number;
  /** ms; 0: any age. */
  readonly maxReadyAge: number;
  /** Its machines are to be prepared for that label. */
  readonly base?: string | undefined;
}

export interface Situation {
  readonly now: number;
  readonly demands: readonly Demand[];
  readonly nodes: readonly NodeRecord[];
  readonly providers: readonly ProviderView[];
  readonly labels: readonly LabelView[];
  readonly maxCoresPerJob?: number | undefined;
}

export interface Plan {
  /** Nodes for members of a request: idle ones taken, new ones ordered. */
  readonly allocate: readonly Allocation[];
  /** Requests that lose their provider: what they have becomes idle, they wait again. */
  readonly unbind: readonly string[];
  readonly refuse: readonly { readonly request: string; readonly reason: string }[];
  /** Nodes to make for nobody yet. */
  readonly stock: readonly Order[];
  /** Idle nodes that must go. */
  readonly retire: readonly { readonly node: string; readonly reason: string }[];
  /** Of every request that is not served yet. */
  readonly why: ReadonlyMap<string, string>;
}

export interface Allocation {
  readonly request: string;
  readonly provider: string;
  readonly zone: string;
  readonly members: readonly Placement[];
}

export interface Order {
  readonly provider: string;
  readonly zone: string;
  readonly label: string;
  readonly resources: Resources;
}

/** ms that an idle node beyond min-ready stays. */
const surplusAge = 10 * 60_000;

export function allocate(situation: Situation): Plan {
  const paces = new Map<string, Pace>();
  const grounds = new Map(
    situation.providers.map((view) => [view.name, groundOf(view, situation.nodes, paces)]),
  );
  const idle = idleNodes(situation.nodes);
  const served = serve(situation, grounds, idle);
  const old = tooOld(situation, idle.free());
  for (const { node } of old) idle.take(node);
  const stock = stockUp(situation, grounds, idle.free(), served.waiting);
  return { ...served.plan, retire: [...served.plan.retire, ...old], stock };
}

interface Idle {
  free(): readonly NodeRecord[];
  take(node: string): void;
}

/** The ready ones first, the oldest first. */
function idleNodes(nodes: readonly NodeRecord[]): Idle {
  const readiness = (node: NodeRecord) => ['ready', 'testing', 'building'].indexOf(node.state.phase);
  let free = nodes
    .filter(isStock)
    .sort((a, b) => readiness(a) - readiness(b) || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  return {
    free: () => free,
    take: (id) => {
      free = free.filter((node) => node.id !== id);
    },
  };
}

type Served = { readonly plan: Omit<Plan, 'stock'>; readonly waiting: ReadonlySet<string> };

function serve(situation: Situation, grounds: ReadonlyMap<string, Ground>, idle: Idle): Served {
  const allocated: Allocation[] = [];
  const unbind: string[] = [];
  const refuse: { request: string; reason: string }[] = [];
  const retire: { node: string; reason: string }[] = [];
  const why = new Map<string, string>();
  const waiting = new Set<string>();
  const owned = grouped(situation.nodes, (node) => node.request ?? '');
  const leaving = countLeaving(situation.nodes);
  /** What did not fit fits no better for those behind: room only shrinks while a plan is made. */
  const blocked = new Map<string, string>();
  for (const demand of inOrder(situation.demands)) {
    const { request, shape } = demand;
    const has = owned.get(request.id) ?? [];
    const open = shape.members
      .map((member, index) => ({ member, index }))
      .filter(({ index }) => !has.some((node) => node.member === index));
    if (open.length === 0) continue;
    const bound = request.state.phase === 'allocated' ? request.state : undefined;
    const ahead = why.size === 0 ? 'next in line' : `${why.size} ahead`;
    const kind = bound === undefined ? kindOf(request) : undefined;
    const same = kind === undefined ? undefined : blocked.get(kind);
    if (same !== undefined) {
      why.set(request.id, `${same}; ${ahead}`);
      continue;
    }
    const tries = [...grounds.values()]
      .filter((ground) => bound === undefined || bound.provider === ground.view.name)
      .flatMap((ground) =>
        zonesFor(ground.view, bound?.zone, request.turn).map((zone) =>
          placing({ ground, zone, request, open, has, stock: idle.free(), cap: situation.maxCoresPerJob }),
        ),
      );
    const fit = bestFit(tries);
    if (fit !== undefined) {
      for (const { node, place } of fit.members) {
        if (node !== undefined) idle.take(node);
        if (place !== undefined) fit.ground.takenPlaces.add(place);
      }
      fit.ground.used = plus(fit.ground.used, fit.cost);
      fit.ground.pace.launching += fit.cost.instances;
      const { ground, zone, members } = fit;
      allocated.push({ request: request.id, provider: ground.view.name, zone, members });
      continue;
    }
    const waits = tries.filter((each) => each.kind === 'waits');
    // One that is half filled gives back what it has, unless it is next: two of them must not wait for each other.
    if (bound !== undefined && waits.every((each) => each.closed || each.ground.isWanted)) {
      unbind.push(request.id);
      continue;
    }
    if (waits.length === 0) {
      refuse.push({ request: request.id, reason: refusal(demand, tries, situation.providers) });
      continue;
    }
    const reasons = [...new Set(waits.map((each) => each.reason))].join('; ');
    why.set(request.id, `${reasons}; ${ahead}`);
    if (kind !== undefined) blocked.set(kind, reasons);
    for (const { label } of shape.members) waiting.add(label);
    const goal = waits.filter((each) => !each.closed).sort(byPreference)[0];
    if (goal === undefined) continue;
    for (const node of inTheWay(goal.ground, goal.cost, idle.free(), leaving)) {
      idle.take(node.id);
      retire.push({ node: node.id, reason: `makes room for ${request.job}` });
    }
    goal.ground.reserved = plus(goal.ground.reserved, goal.cost);
    goal.ground.isWanted = true;
    for (const place of goal.places ?? []) goal.ground.takenPlaces.add(place);
  }
  return { plan: { allocate: allocated, unbind, refuse, retire, why }, waiting };
}

/** Requests of one kind fit alike; one that failed somewhere is of its own. */
function kindOf({ nodes, failures }: RequestRecord): string | undefined {
  for (const _ in failures) return undefined;
  return JSON.stringify(nodes);
}

function groundOf(view: ProviderView, nodes: readonly NodeRecord[], paces: Map<string, Pace>): Ground {
  const here = nodes.filter((node) => node.provider === view.name && takesRoom(node));
  const takenPlaces = new Set(here.flatMap((node) => node.place ?? []));
  const used = sum(here.map((node) => node.resources));
  const pace = paces.get(view.family) ?? { launching: 0 };
  paces.set(view.family, pace);
  pace.launching += here.filter(isLaunching).length;
  return { view, used, reserved: nothing, isWanted: false, pace, takenPlaces, nodes: here };
}

function grouped(nodes: readonly NodeRecord[], key: (node: NodeRecord) => string): Map<string, NodeRecord[]> {
  const groups = new Map<string, NodeRecord[]>();
  for (const node of nodes) {
    const group = groups.get(key(node));
    if (group === undefined) groups.set(key(node), [node]);
    else group.push(node);
  }
  return groups;
}

function bestFit(tries: readonly Placing[]) {
  return tries
    .filter((each) => each.kind === 'fits')
    .sort((a, b) => b.ready - a.ready || byPreference(a, b))[0];
}

function byPreference(a: { readonly ground: Ground }, b: { readonly ground: Ground }): number {
  return a.ground.view.priority - b.ground.view.priority || roomOf(b.ground) - roomOf(a.ground);
}

function roomOf({ view, used, reserved }: Ground): number {
  return freeInstances(view.limits, plus(used, reserved));
}

/** All zones of a provider, another one first for each turn; a bound request stays in its own. */
function zonesFor(view: ProviderView, bound: string | undefined, turn: number): readonly string[] {
  if (bound !== undefined) return [bound];
  const first = turn % Math.max(1, view.zones.length);
  return [...view.zones.slice(first), ...view.zones.slice(0, first)];
}

/** Nodes on their way out, by provider: room that comes back by itself. */
function countLeaving(nodes: readonly NodeRecord[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { state, provider } of nodes) {
    const goes = state.phase === 'used' || state.phase === 'deleting' || state.phase === 'failed';
    if (goes) counts.set(provider, (counts.get(provider) ?? 0) + 1);
  }
  return counts;
}

/** Idle nodes that give their room to one that waits, the oldest first, as far as nothing else leaves. */
function inTheWay(
  ground: Ground,
  cost: Resources,
  idle: readonly NodeRecord[],
  leaving: Map<string, number>,
): NodeRecord[] {
  const { view, used, reserved } = ground;
  if (view.places !== undefined || lacks(view.limits, plus(used, reserved), cost) === undefined) return [];
  const gone = leaving.get(view.name) ?? 0;
  const missing = cost.instances + reserved.instances - gone - Math.max(0, freeInstances(view.limits, used));
  const nodes = idle.filter((node) => node.provider === view.name && node.state.phase === 'ready');
  // Of cores or RAM nobody knows how many nodes it takes: one at a time.
  const chosen = nodes.slice(0, Math.max(missing, gone === 0 ? 1 : 0));
  leaving.set(view.name, gone + chosen.length);
  return chosen;
}

function tooOld({ labels, now }: Situation, idle: readonly NodeRecord[]): { node: string; reason: string }[] {
  const views = new Map(labels.map((label) => [label.name, label]));
  const ready = grouped(
    idle.filter((node) => node.state.phase === 'ready'),
    (node) => node.label,
  );
  return [...ready].flatMap(([name, nodes]) => {
    const { minReady = 0, maxReadyAge = 0, base } = views.get(name) ?? {};
    return nodes.flatMap((node, index) => {
      const age = now - node.phaseAt;
      if (maxReadyAge > 0 && age >= maxReadyAge) return [{ node: node.id, reason: 'was ready for too long' }];
      // A place is free when nobody has it, and a machine to be prepared is of use for nothing else.
      const isOfUse = node.place === undefined && base === undefined;
      const isSurplus = nodes.length - index > minReady && (age >= surplusAge || !isOfUse);
      return isSurplus ? [{ node: node.id, reason: 'nobody needs it' }] : [];
    });
  });
}

/** What min-ready asks for beyond what is idle, where nobody waits for room. */
function stockUp(
  { labels }: Situation,
  grounds: ReadonlyMap<string, Ground>,
  idle: readonly NodeRecord[],
  waiting: ReadonlySet<string>,
): Order[] {
  const stock: Order[] = [];
  for (const { name, minReady } of labels) {
    if (waiting.has(name)) continue;
    let missing = minReady - idle.filter((node) => node.label === name).length;
    while (missing-- > 0) {
      const order = stockOrder(name, [...grounds.values()], stock.length);
      if (order === undefined) break;
      stock.push(order);
    }
  }
  return stock;
}

function stockOrder(label: string, grounds: readonly Ground[], turn: number): Order | undefined {
  const open = grounds.flatMap((ground) => {
    const offer = ground.view.offers.get(label);
    const zone = zonesFor(ground.view, undefined, turn).find((each) => !ground.view.out.has(each));
    const isOpen = ground.view.closed === undefined && !ground.isWanted && zone !== undefined;
    if (!isOpen || offer === undefined || 'never' in offer) return [];
    const isFree =
      crowded(ground, 1) === undefined && lacks(ground.view.limits, ground.used, offer) === undefined;
    return isFree ? [{ ground, offer, zone }] : [];
  });
  const best = open.sort(byPreference)[0];
  if (best === undefined) return undefined;
  const { ground, offer, zone } = best;
  ground.used = plus(ground.used, offer);
  ground.pace.launching += 1;
  return { provider: ground.view.name, zone, label, resources: offer };
}

/** Why nobody can ever serve this, in one sentence. */
function refusal(
  { shape, request }: Demand,
  tries: readonly Placing[],
  providers: readonly ProviderView[],
): string {
  const known = new Set(
    providers.flatMap((view) => [
      ...view.offers.keys(),
      ...(view.places ?? []).flatMap((place) => [place.host, ...place.labels]),
      view.name,
    ]),
  );
  const unknown = Object.keys(request.failures).length > 0 ? [] : shape.members;
  for (const member of unknown) {
    const names = unknownLabels(member, known).map((each) => JSON.stringify(each));
    if (names.length === 0) continue;
    const there = known.size === 0 ? 'there are none at all' : `there are ${[...known].join(', ')}`;
    const label = JSON.stringify(member.label);
    return `no node fits the label ${label} (no node has ${names.join(', ')}); ${there}`;
  }
  const reasons = tries.flatMap((each) => (each.kind === 'never' ? [each.reason] : []));
  return reasons.length === 0 ? 'there is no provider of nodes' : [...new Set(reasons)].join('; ');
}
