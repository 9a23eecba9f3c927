import { type Allocation, allocate, type Demand, type Order, type Plan, type Situation } from './allocate.ts';
import { isLeaving, settleChange } from './changing.ts';
import { leaving } from './config/standing.ts';
import { type Context, forget, labelOf, nodesOf, refuse, shapeFor } from './context.ts';
import type { Desk } from './desk.ts';
import { settle } from './granting.ts';
import { type ProviderView } from './ground.ts';
import { freed, isStock, type NodeRecord, offlineKey, type RequestRecord } from './node.ts';
import { starving } from './order.ts';
import { currentImage, whyNotNewest } from './prepare/images.ts';
import { hostOfPlace } from './providers/place.ts';
import { placesOf } from './providers/static.ts';
import type { Shape } from './shape.ts';

/** Makes a plan of everything that is known (allocate.ts), writes it down, and sets the nodes going. */

export interface Planner {
  plan(): void;
  /** Why a request is not served yet, as of the last plan. */
  why(request: string): string | undefined;
}

/** ms that nothing of a label is given before its oldest request goes first. */
const patience = 10 * 60_000;
/** ms that a request waits for whoever asked for it before a restart. */
const forgotten = 10 * 60_000;

export function planner(context: Context): Planner {
  const { book, desks, lives, options, waiters } = context;
  const { timer } = options;
  /** When something of a label was last given. */
  const given = new Map<string, number>();
  let why: Plan['why'] = new Map();

  return {
    why: (request) => why.get(request),
    plan() {
      const now = timer.now();
      clear();
      const demands = demandsNow(now);
      const plan = allocate(situation(demands, now));
      why = plan.why;
      for (const { request, reason } of plan.refuse) refuse(context, request, reason);
      for (const id of plan.unbind) unbind(id);
      for (const allocation of plan.allocate) place(allocation, now);
      const stock = plan.stock.map((order) => newNode(order, now));
      if (stock.length > 0) write({ nodes: stock });
      for (const { node, reason } of plan.retire) remove(node, ['ready'], reason);
      for (const { request, shape } of demands) settle(context, request.id, shape);
      expire(now);
      settleChange(context);
    },
  };

  function demandsNow(now: number): Demand[] {
    const asked: { request: RequestRecord; shape: Shape }[] = [];
    for (const request of book.requests.values()) {
      const { state } = request;
      if (state.phase === 'granted') {
        given.set(labelOf(request), Math.max(state.at, given.get(labelOf(request)) ?? 0));
        continue;
      }
      const shape = shapeFor(context, request);
      if (shape !== undefined && waiters.has(request.id)) asked.push({ request, shape });
      else if (shape === undefined || now - context.openedAt > forgotten) forget(context, request);
    }
    const requests = asked.map(({ request }) => request);
    const coming = new Set(requests.filter(({ state }) => state.phase === 'allocated').map(labelOf));
    const waiting = requests.filter((request) => !coming.has(labelOf(request)));
    const starved = starving(waiting, labelOf, given, now, patience);
    return asked.map(({ request, shape }) => ({
      request,
      shape,
      since: request.since,
      turn: request.turn,
      starved: starved.has(request.id),
    }));
  }

  function situation(demands: readonly Demand[], now: number): Situation {
    const { wanted } = context.standing;
    return {
      now,
      demands,
      nodes: [...book.nodes.values()],
      providers: [...desks.all.values()].flatMap(viewOf),
      labels: [...wanted.labels.values()].filter((label) => !label.disabled),
      maxCoresPerJob: wanted.maxCoresPerJob,
    };
  }

  /** What is offered is what nodepool.yaml says now, also while the old one still has nodes. None: it was taken out. */
  function viewOf(desk: Desk): ProviderView[] {
    const { name } = desk.config;
    const standing = context.standing.providers.get(name);
    const view = desk.view(...outOfUse(name));
    if (standing === undefined || (!standing.isOld && standing.oldHosts.size === 0)) return [view];
    if (standing.wanted === undefined) return [];
    const { given, kinds } = standing.wanted;
    const places = given.driver === 'static' ? placesOf(given) : undefined;
    return [{ ...view, places, offers: new Map([...kinds].map(([label, kind]) => [label, kind.resources])) }];
  }

  /** What nobody builds on and nodepool.yaml no longer has goes. */
  function clear(): void {
    for (const node of book.nodes.values()) {
      if (!isLeaving(context, node) || node.request !== undefined) continue;
      const { phase } = node.state;
      const reason = 'taken out of nodepool.yaml';
      if (isStock(node)) remove(node.id, [phase], reason);
      // A person would look at a machine that is no longer ours.
      if (node.state.phase === 'failed' && node.state.quarantine === true)
        book.write({ drop: { nodes: [node.id] } }).catch(context.broken);
    }
  }

  /** Why a provider gives nothing now, and which hosts of it are out. */
  function outOfUse(provider: string): [string | undefined, ReadonlyMap<string, string>] {
    const whole = book.offline.get(offlineKey({ provider }));
    const standing = context.standing.providers.get(provider);
    const out = new Map<string, string>();
    for (const { host, reason, provider: of } of book.offline.values())
      if (of === provider && host !== undefined) out.set(host, `offline: ${reason}`);
    for (const host of standing?.oldHosts.keys() ?? []) out.set(host, leaving(standing, host) ?? '');
    for (const { state, place, provider: of } of book.nodes.values()) {
      if (of !== provider || state.phase !== 'failed' || state.quarantine !== true) continue;
      if (place !== undefined) out.set(hostOfPlace(place), `in quarantine: ${state.reason}`);
    }
    return [leaving(standing) ?? (whole === undefined ? undefined : `offline: ${whole.reason}`), out];
  }

  function newNode({ provider, zone, label, resources }: Order, now: number): NodeRecord {
    const state = { phase: 'building' } as const;
    const id = book.next();
    const image = imageFor(provider, label);
    const made = { id, provider, zone, label, resources, createdAt: now, phaseAt: now, state };
    return image === undefined ? made : { ...made, image };
  }

  /** The prepared image of a label; undefined: its base image. */
  function imageFor(provider: string, label: string): string | undefined {
    const base = desks.all.get(provider)?.config.kinds.get(label)?.kind.image;
    if (base === undefined || context.standing.wanted.labels.get(label)?.prepare === undefined)
      return undefined;
    const of = { provider, label, base };
    const why = whyNotNewest(book.images.values(), of);
    if (why !== undefined) context.log('not from the newest image', { provider, label, why });
    const image = currentImage(book.images.values(), of)?.state;
    return image?.phase === 'ready' ? image.image : undefined;
  }

  /** Durable first; then the new ones live. */
  function write(put: { nodes: readonly NodeRecord[]; requests?: readonly RequestRecord[] }): void {
    const fresh = put.nodes.filter((node) => !book.nodes.has(node.id)).map((node) => node.id);
    for (const id of fresh) lives.fresh(id);
    const live = async () => {
      await book.write({ put });
      for (const id of fresh) lives.poke(id);
      context.changed();
    };
    live().catch(context.broken);
  }

  function place({ request: id, provider, zone, members }: Allocation, now: number): void {
    const request = book.requests.get(id);
    if (request === undefined) return;
    const nodes = members.map(({ member, node, label, place: at, resources }): NodeRecord => {
      const idle = node === undefined ? undefined : book.nodes.get(node);
      const fresh = idle ?? newNode({ provider, zone, label, resources }, now);
      return { ...fresh, request: id, job: request.job, member, ...(at === undefined ? {} : { place: at }) };
    });
    const isBound = request.state.phase === 'allocated';
    const state = isBound ? request.state : { phase: 'allocated' as const, provider, zone, at: now };
    write({ nodes, requests: [{ ...request, state }] });
  }

  /** Its nodes become idle; it waits again. */
  function unbind(id: string): void {
    const request = book.requests.get(id);
    if (request === undefined) return;
    write({
      nodes: nodesOf(context, id).map(freed),
      requests: [{ ...request, state: { phase: 'waiting' } }],
    });
  }

  function remove(node: string, from: Parameters<typeof lives.move>[1], reason: string): void {
    const state = { phase: 'deleting', tries: 0, reason } as const;
    lives.move(node, from, state).then(() => lives.poke(node), context.broken);
  }

  function expire(now: number): void {
    for (const node of book.nodes.values()) {
      if (node.state.phase !== 'held') continue;
      const { maxHoldAge } = context.standing.wanted;
      const most = maxHoldAge > 0 ? node.phaseAt + maxHoldAge : Number.POSITIVE_INFINITY;
      if (now >= Math.min(most, node.state.until ?? most)) remove(node.id, ['held'], 'was held long enough');
    }
  }
}
