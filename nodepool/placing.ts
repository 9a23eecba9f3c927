import type { Ground } from './ground.ts';
import type { NodeRecord, RequestRecord } from './node.ts';
import type { Place, Resources } from './provider.ts';
import { lacks, nothing, plus } from './room.ts';
import { type Member, serves } from './shape.ts';

/** Whether a request can stand at one provider and zone: now, later, or never. */

export interface Placement {
  /** Which member of the request, from 0. */
  readonly member: number;
  /** An idle node that is taken for it. */
  readonly node?: string | undefined;
  /** Else a new one: of this label, on this place. */
  readonly label: string;
  readonly place?: string | undefined;
  readonly resources: Resources;
}

export type Placing =
  | {
      readonly kind: 'fits';
      readonly ground: Ground;
      readonly zone: string;
      readonly members: readonly Placement[];
      readonly cost: Resources;
      readonly ready: number;
    }
  /** `closed`: not for want of room; what it waits for is not reserved. */
  | {
      readonly kind: 'waits';
      readonly ground: Ground;
      readonly cost: Resources;
      readonly closed: boolean;
      readonly reason: string;
      /** Free places it keeps until it has them all. */
      readonly places?: readonly string[];
    }
  | { readonly kind: 'never'; readonly ground: Ground; readonly reason: string };

export interface Ask {
  readonly ground: Ground;
  readonly zone: string;
  readonly request: RequestRecord;
  /** Members without a node. */
  readonly open: readonly { readonly member: Member; readonly index: number }[];
  /** Nodes it has already. */
  readonly has: readonly NodeRecord[];
  /** Idle nodes, the best first. */
  readonly stock: readonly NodeRecord[];
  readonly cap: number | undefined;
}

export function placing(ask: Ask): Placing {
  const { ground, request, open, has } = ask;
  const { view } = ground;
  const failed = Object.hasOwn(request.failures, view.name) ? request.failures[view.name] : undefined;
  // As Nodepool counts: so many for each node.
  if (failed !== undefined && failed.count >= view.retries * (open.length + has.length)) {
    const times = failed.count === 1 ? 'a launch' : `${failed.count} launches`;
    return { kind: 'never', ground, reason: `${times} failed, at last: ${failed.reason}` };
  }
  return view.places === undefined ? making(ask) : onPlaces(ask);
}

/** At a provider that makes machines. */
function making({ ground, zone, open, has, stock, cap }: Ask): Placing {
  const { view } = ground;
  const never = (reason: string): Placing => ({ kind: 'never', ground, reason });
  const members: Placement[] = [];
  const taken = new Set<string>();
  let full = has.reduce((total, node) => plus(total, node.resources), nothing);
  let cost = nothing;
  let ready = 0;
  for (const { member, index } of open) {
    const labels = [...view.offers].filter(([label]) => serves(member, [label, view.name]));
    const offered = labels.flatMap(([label, offer]) => ('never' in offer ? [] : [{ label, offer }]));
    const [first] = offered;
    if (first === undefined) {
      const why = labels.flatMap(([label, offer]) => ('never' in offer ? [`${label}: ${offer.never}`] : []));
      return never(why.length > 0 ? why.join('; ') : `does not offer ${JSON.stringify(member.label)}`);
    }
    full = plus(full, first.offer);
    const idle = stock.find(
      (node) =>
        node.provider === view.name &&
        (node.zone ?? '') === zone &&
        !taken.has(node.id) &&
        serves(member, [node.label, view.name]),
    );
    if (idle === undefined) cost = plus(cost, first.offer);
    else {
      taken.add(idle.id);
      if (idle.state.phase === 'ready') ready += 1;
    }
    members.push({
      member: index,
      node: idle?.id,
      label: first.label,
      resources: idle?.resources ?? first.offer,
    });
  }
  if (cap !== undefined && full.cores > cap)
    return never(`it wants ${full.cores} vCPUs, and a job may have ${cap}`);
  const tooLarge = lacks(view.most, nothing, full);
  if (tooLarge !== undefined) return never(tooLarge);
  // What is idle is given even by a provider that is paused.
  if (cost.instances === 0) return { kind: 'fits', ground, zone, members, cost, ready };
  const out = view.closed ?? view.out.get(zone);
  if (out !== undefined) {
    return { kind: 'waits', ground, cost, closed: true, reason: `${view.name}: ${out}` };
  }
  const lack =
    lacks(view.limits, plus(ground.used, ground.reserved), cost) ?? crowded(ground, cost.instances);
  if (lack === undefined) return { kind: 'fits', ground, zone, members, cost, ready };
  return { kind: 'waits', ground, cost, closed: false, reason: `${view.name}: ${lack}` };
}

/**
 * Why so many more launches must wait; undefined when they may begin. A set that is larger than the limit begins when nothing else
 * is on its way: Nodepool, too, takes up a request as long as fewer nodes than `max-concurrency` are being launched.
 */
export function crowded({ view, pace, reserved }: Ground, more: number): string | undefined {
  const { launching } = pace;
  const ahead = launching + reserved.instances;
  if (ahead === 0 || ahead + more <= view.concurrency) return undefined;
  const are = launching === 1 ? '1 node is' : `${launching} nodes are`;
  const behind = reserved.instances === 0 ? '' : `, ${reserved.instances} are to be launched first`;
  return `${are} being launched${behind}, and max-concurrency is ${view.concurrency}`;
}

/** At machines that are always there: each member on another host. */
function onPlaces({ ground, zone, open, has }: Ask): Placing {
  const { view } = ground;
  const places = view.places ?? [];
  const hosts = new Set(places.map((place) => place.host));
  const labelsOf = (place: (typeof places)[number]) => [...place.labels, place.host, view.name];
  const cost = { ...nothing, instances: open.length };
  const total = open.length + has.length;
  const fitting = open.map(({ member }) =>
    places.filter((place) => (place.zone ?? '') === zone && serves(member, labelsOf(place))),
  );
  for (const [position, { member }] of open.entries()) {
    if ((fitting[position] ?? []).length > 0) continue;
    const known = [...new Set(places.flatMap(labelsOf))].join(', ');
    return {
      kind: 'never',
      ground,
      reason: `no node fits the label ${JSON.stringify(member.label)}; there are ${known}`,
    };
  }
  if (total > hosts.size) {
    const are = hosts.size === 1 ? `${view.name} is a single machine` : `${view.name} has ${hosts.size}`;
    return { kind: 'never', ground, reason: `it wants ${total} nodes, and ${are}` };
  }
  if (view.closed !== undefined) {
    return { kind: 'waits', ground, cost, closed: true, reason: `${view.name}: ${view.closed}` };
  }
  const used = new Set(has.flatMap((node) => places.find((place) => place.id === node.place)?.host ?? []));
  const members: Placement[] = [];
  for (const [position, { index }] of open.entries()) {
    const place = fitting[position]?.find(
      (each) => !ground.takenPlaces.has(each.id) && !used.has(each.host) && !view.out.has(each.host),
    );
    if (place === undefined) break;
    used.add(place.host);
    const label = place.labels[0] ?? place.host;
    members.push({ member: index, label, place: place.id, resources: { instances: 1, cores: 0, ram: 0 } });
  }
  if (members.length === open.length) return { kind: 'fits', ground, zone, members, cost, ready: 0 };
  return {
    kind: 'waits',
    ground,
    cost,
    closed: false,
    reason: `${view.name}: ${taken(ground, fitting.flat())}`,
    places: members.flatMap((member) => member.place ?? []),
  };
}

/** `all 2 places are taken (tempest, unit)`, and what is out of use. */
function taken({ view, nodes }: Ground, places: readonly Place[]): string {
  const wanted = new Map(places.map((place) => [place.id, place]));
  const jobs = nodes.filter((node) => wanted.has(node.place ?? '')).flatMap((node) => node.job ?? []);
  const names = [...new Set(jobs)];
  const running =
    names.length === 0 ? '' : ` (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''})`;
  const hosts = new Set([...wanted.values()].map((place) => place.host));
  const out = [...view.out]
    .filter(([host]) => hosts.has(host))
    .map(([host, reason]) => `; ${host}: ${reason}`);
  const count = wanted.size === 1 ? 'the only place is' : `all ${wanted.size} places are`;
  return `${count} taken${running}${out.join('')}`;
}
