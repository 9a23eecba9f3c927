import { backoff } from '../pipelines/fault.ts';
import type { Book } from './book.ts';
import type { KindConfig, LoginConfig } from './config/config.ts';
import type { Desk, Say } from './desk.ts';
import { loginOf } from './lease.ts';
import { fromImage, recordOf } from './machine.ts';
import { freed, type MachineRecord, type NodeRecord, type NodeState, type Phase } from './node.ts';
import type { Machine, Setback } from './provider.ts';
import { reasonOf, type Timer, within } from './timer.ts';

/**
 * One node's way through its life. Each step reads the record, does what its phase asks for, and writes the next phase before
 * anything else is done; so whoever comes after a crash reads the same record and does the same step again. A node has at
 * most one step at a time; a step whose node was moved meanwhile (a person deleted it) changes nothing.
 */

/** Whether a machine that runs is good for builds. Waits for it to answer, up to its deadline. */
export type NodeTest = (
  node: NodeRecord & { readonly machine: MachineRecord },
  login: LoginConfig,
  signal: AbortSignal,
) => Promise<{ kind: 'fit'; hostKeys?: readonly string[] } | { kind: 'unfit'; reason: string }>;

export interface LifeOptions {
  readonly site: string;
  readonly book: Book;
  readonly desks: ReadonlyMap<string, Desk>;
  readonly timer: Timer;
  readonly random: () => number;
  readonly test: NodeTest;
  readonly stop: AbortSignal;
  readonly log: Say;
  /** Something changed that a plan should know. */
  readonly changed: () => void;
  /** How a launch ended: for metrics. */
  readonly launched: (node: NodeRecord, end: LaunchEnd, ms: number) => void;
  /** The prepared image of a node cannot be booted. */
  readonly unusable: (node: NodeRecord, reason: string) => Promise<void>;
  /** The records can no longer be written. */
  readonly broken: (error: unknown) => void;
}

export type LaunchEnd = 'ready' | 'quota' | 'failed';

export interface Lives {
  /** Goes on with a node, unless somebody does. */
  poke(id: string): void;
  /** Made in this life and never asked for: needs no look at the provider first. */
  fresh(id: string): void;
  /** Writes another state, if the node is still in one of `from`. False: it is not. */
  move(id: string, from: readonly Phase[], to: NodeState, more?: Partial<NodeRecord>): Promise<boolean>;
  /** What a list says of a node. */
  seen(node: NodeRecord, machine: Machine): void;
  /** A list does not know a machine that it should. */
  vanished(node: NodeRecord): void;
  /** Ends the step of a node, because it was moved by others. */
  interrupt(id: string, why: string): void;
  /** Resolves when every step has ended. */
  settled(): Promise<void>;
}

const deleteTimeout = 10 * 60_000;

/** Whether a node goes on at once, or waits for somebody. */
type Went = 'on' | 'parked';

export function lives(options: LifeOptions): Lives {
  const { book, desks, timer, log, stop } = options;
  const running = new Map<string, { again: boolean; stop: AbortController; done: Promise<void> }>();
  const neverAsked = new Set<string>();
  const tries = new Map<string, number>();
  /** Orders whose answer is not there yet. */
  const asked = new Set<string>();
  /** Asked to be deleted, and on its way. */
  const going = new Set<string>();

  const api: Lives = {
    poke(id) {
      const before = running.get(id);
      if (before !== undefined) {
        before.again = true;
        return;
      }
      if (stop.aborted || !book.nodes.has(id)) return;
      const entry = { again: false, stop: new AbortController(), done: Promise.resolve() };
      running.set(id, entry);
      entry.done = walk(id, entry).finally(() => {
        running.delete(id);
        if (entry.again) api.poke(id);
      });
    },
    fresh: (id) => void neverAsked.add(id),
    async move(id, from, state, more = {}) {
      const node = book.nodes.get(id);
      if (node === undefined || !from.includes(node.state.phase)) return false;
      await book.write({ put: { nodes: [{ ...node, ...more, state, phaseAt: phaseAt(node, state) }] } });
      options.changed();
      return true;
    },
    seen(node, machine) {
      const { phase } = node.state;
      const limit = desks.get(node.provider)?.config.launchTimeout ?? 0;
      if (phase === 'building' && machine.state === 'building' && timer.now() - node.createdAt >= limit) {
        later(failed(node, { kind: 'failed', reason: `it did not run within ${seconds(limit)}` }));
        return;
      }
      if (machine.state === 'failed') {
        const reason = machine.reason ?? 'the provider says that it failed';
        if (phase === 'building')
          later(failed(node, { kind: machine.quota === true ? 'quota' : 'failed', reason }));
        else if (phase === 'ready' || phase === 'testing' || phase === 'in-use') later(lose(node, reason));
        return;
      }
      if (phase === 'building' && machine.state === 'active') {
        const active = { phase: 'testing' } as const;
        later(
          api
            .move(node.id, ['building'], active, { machine: recordOf(machine) })
            .then(() => api.poke(node.id)),
        );
      }
    },
    vanished(node) {
      switch (node.state.phase) {
        case 'building':
          later(failed(node, { kind: 'failed', reason: 'the provider does not know it any more' }));
          break;
        case 'testing':
        case 'ready':
        case 'in-use':
          later(lose(node, 'the provider does not know it any more'));
          break;
        case 'deleting':
          if (going.has(node.id)) later(gone(node.id));
          break;
        default:
      }
    },
    interrupt(id, why) {
      running.get(id)?.stop.abort(new Error(why));
    },
    async settled() {
      while (running.size > 0) await Promise.allSettled([...running.values()].map(({ done }) => done));
    },
  };
  return api;

  function later(work: Promise<unknown>): void {
    work.catch(options.broken);
  }

  async function walk(id: string, entry: { stop: AbortController }): Promise<void> {
    const signal = AbortSignal.any([stop, entry.stop.signal]);
    try {
      for (;;) {
        const node = book.nodes.get(id);
        const desk = node === undefined ? undefined : desks.get(node.provider);
        if (node === undefined || desk === undefined || signal.aborted) return;
        if ((await step(node, desk, signal)) === 'parked') return;
      }
    } catch (caught) {
      if (signal.aborted) return;
      log('a step of a node failed', {
        node: id,
        error: caught instanceof Error ? caught.message : String(caught),
      });
      await pause(id, signal).catch(() => undefined);
      const entryNow = running.get(id);
      if (entryNow !== undefined) entryNow.again = true;
    }
  }

  async function step(node: NodeRecord, desk: Desk, signal: AbortSignal): Promise<Went> {
    switch (node.state.phase) {
      case 'building':
        // One that boots is seen in a list.
        return node.machine === undefined ? await create(node, desk, signal) : 'parked';
      case 'testing':
        return await examine(node, desk, signal);
      case 'used':
        await api.move(node.id, ['used'], { phase: 'deleting', tries: 0 });
        return 'on';
      case 'failed':
        if (node.state.quarantine === true) return 'parked';
        await api.move(node.id, ['failed'], { phase: 'deleting', tries: 0, reason: node.state.reason });
        return 'on';
      case 'lost':
        if (node.request !== undefined) return 'parked';
        await api.move(node.id, ['lost'], { phase: 'deleting', tries: 0, reason: node.state.reason });
        return 'on';
      case 'deleting':
        return await remove(node, desk, signal);
      case 'ready':
      case 'in-use':
      case 'held':
        break;
    }
    return 'parked';
  }

  async function create(node: NodeRecord, desk: Desk, signal: AbortSignal): Promise<Went> {
    const { id, label, zone, place } = node;
    const again = !neverAsked.delete(id);
    const known: KindConfig['kind'] = desk.config.kinds.get(label)?.kind ?? { label, properties: {} };
    const kind = node.image === undefined ? known : fromImage(known, node.image);
    const order = { node: id, site: options.site, kind, zone: zone === '' ? undefined : zone, place, again };
    const full = again ? undefined : desk.full(confirmed(node) + inFlight(node.provider));
    if (full !== undefined) {
      await failed(node, { kind: 'quota', reason: full }, 'not asked');
      return 'parked';
    }
    asked.add(id);
    const call = desk.call('create', (inTime) => desk.provider.create(order, inTime), signal);
    const answer = await call.finally(() => asked.delete(id));
    if (answer.kind === 'created') {
      const { machine } = answer;
      tries.delete(id);
      desk.made(confirmed(node));
      const state: NodeState = machine.state === 'active' ? { phase: 'testing' } : { phase: 'building' };
      const isBuilt = await api.move(id, ['building'], state, { machine: recordOf(machine) });
      const now = book.nodes.get(id);
      // Somebody moved it meanwhile: a list tells when its machine has gone only if it knows which.
      if (!isBuilt && now !== undefined)
        await book.write({ put: { nodes: [{ ...now, machine: recordOf(machine) }] } });
      if (machine.state === 'failed') api.seen(node, machine);
      return machine.state === 'failed' ? 'parked' : 'on';
    }
    if (answer.kind === 'transient' && timer.now() - node.createdAt < desk.config.launchTimeout) {
      log('create is tried again', { node: id, provider: node.provider, reason: answer.reason });
      await pause(id, signal, answer.retryAfter);
      return 'on';
    }
    await failed(node, answer);
    return 'parked';
  }

  async function examine(node: NodeRecord, desk: Desk, signal: AbortSignal): Promise<Went> {
    const { machine } = node;
    if (machine === undefined) throw new Error(`node ${node.id} is tested and has no machine`);
    const place = desk.provider.places?.find((each) => each.id === node.place);
    const login = loginOf(desk.config, node.label, place);
    const limit = desk.config.bootTimeout;
    const done = await within(timer, limit, signal, (inTime) =>
      options.test({ ...node, machine }, login, inTime),
    );
    const answer =
      done.kind === 'done'
        ? done.value
        : { kind: 'unfit' as const, reason: `no answer within ${seconds(limit)}` };
    if (answer.kind === 'unfit') {
      await failed(node, { kind: 'failed', reason: answer.reason });
      return 'parked';
    }
    const hostKeys = answer.hostKeys === undefined ? machine.hostKeys : [...answer.hostKeys];
    await api.move(node.id, ['testing'], { phase: 'ready' }, { machine: { ...machine, hostKeys } });
    options.launched(node, 'ready', timer.now() - node.createdAt);
    return 'parked';
  }

  async function remove(node: NodeRecord, desk: Desk, signal: AbortSignal): Promise<Went> {
    if (node.state.phase !== 'deleting') return 'on';
    const of = { node: node.id, id: node.machine?.id ?? node.place, build: node.build };
    const answer = await desk.call('delete', (inTime) => desk.provider.delete(of, inTime), signal);
    if (answer.kind === 'gone') {
      await gone(node.id);
      return 'parked';
    }
    if (answer.kind === 'going') {
      // The list tells when it has gone; if it never does, it is asked again.
      going.add(node.id);
      await timer.sleep(deleteTimeout, signal);
      return 'on';
    }
    if (answer.kind === 'permanent' && node.place !== undefined) {
      await api.move(node.id, ['deleting'], { phase: 'failed', reason: answer.reason, quarantine: true });
      log('in quarantine', { node: node.id, place: node.place, reason: answer.reason });
      return 'parked';
    }
    const state = { ...node.state, tries: node.state.tries + 1, reason: answer.reason };
    await api.move(node.id, ['deleting'], state);
    await timer.sleep(backoff(state.tries, 1000, 5 * 60_000, options.random()), signal);
    return 'on';
  }

  async function gone(id: string): Promise<void> {
    if (!book.nodes.has(id)) return;
    going.delete(id);
    tries.delete(id);
    await book.write({ drop: { nodes: [id] } });
    api.interrupt(id, 'gone');
    options.changed();
  }

  /** It is of no use. Its request gets another one, and a launch that was no quota's fault counts. */
  async function failed(node: NodeRecord, setback: Setback, how?: 'not asked'): Promise<void> {
    const now = book.nodes.get(node.id);
    if (now === undefined || (now.state.phase !== 'building' && now.state.phase !== 'testing')) return;
    const desk = desks.get(node.provider);
    const { reason } = setback;
    log('launch failed', {
      node: node.id,
      provider: node.provider,
      label: node.label,
      kind: setback.kind,
      reason,
    });
    const isRoom = setback.kind === 'quota' || setback.kind === 'full';
    if (how === undefined) options.launched(now, isRoom ? 'quota' : 'failed', timer.now() - node.createdAt);
    if (isRoom && how === undefined) desk?.refused(setback, confirmed(now), now);
    const isNever = setback.kind === 'permanent' && now.image === undefined;
    if (isNever) desk?.spoiled(node.label, reason);
    // It may be the image alone: the next one is made without it.
    if (setback.kind === 'permanent' && now.image !== undefined) await options.unusable(now, reason);
    const request = now.request === undefined ? undefined : book.requests.get(now.request);
    const before = request?.failures[node.provider]?.count ?? 0;
    // One that can never be made is not tried again.
    const count = isNever ? Number.MAX_SAFE_INTEGER : before + 1;
    const failures = { ...request?.failures, [node.provider]: { count, reason } };
    const requests = request === undefined || isRoom ? [] : [{ ...request, failures }];
    if (isRoom && now.machine === undefined) {
      // It was refused, so there is nothing to delete.
      await book.write({ drop: { nodes: [now.id] }, put: { requests } });
    } else {
      const state: NodeState = { phase: 'failed', reason };
      await book.write({ put: { nodes: [{ ...freed(now), state, phaseAt: timer.now() }], requests } });
    }
    api.interrupt(node.id, reason);
    options.changed();
    again(node.id);
  }

  async function lose(node: NodeRecord, reason: string): Promise<void> {
    const isLost = await api.move(node.id, ['testing', 'ready', 'in-use'], { phase: 'lost', reason });
    if (!isLost) return;
    log('node lost', { node: node.id, provider: node.provider, reason });
    const now = book.nodes.get(node.id);
    // One that nobody builds on yet leaves its request, which gets another one.
    if (
      now !== undefined &&
      now.request !== undefined &&
      book.requests.get(now.request)?.state.phase !== 'granted'
    ) {
      await book.write({ put: { nodes: [freed(now)] } });
      options.changed();
    }
    api.interrupt(node.id, reason);
    again(node.id);
  }

  /** Goes on with a node from inside one of its own steps. */
  function again(id: string): void {
    const entry = running.get(id);
    if (entry === undefined) api.poke(id);
    else entry.again = true;
  }

  async function pause(id: string, signal: AbortSignal, atLeast = 0): Promise<void> {
    const count = (tries.get(id) ?? 0) + 1;
    tries.set(id, count);
    const ms = Math.max(atLeast, backoff(count, 1000, 60_000, options.random()));
    await timer.sleep(ms, signal).catch((caught: unknown) => {
      throw signal.aborted ? reasonOf(signal) : caught;
    });
  }

  function inFlight(provider: string): number {
    return [...asked].filter((id) => book.nodes.get(id)?.provider === provider).length;
  }

  /** Other machines of this provider that run and stay. */
  function confirmed(node: NodeRecord): number {
    let count = 0;
    for (const { id, provider, machine, state } of book.nodes.values()) {
      const goes = state.phase === 'used' || state.phase === 'failed' || state.phase === 'deleting';
      if (provider === node.provider && id !== node.id && machine !== undefined && !goes) count += 1;
    }
    return count;
  }

  function phaseAt(node: NodeRecord, state: NodeState): number {
    return node.state.phase === state.phase ? node.phaseAt : timer.now();
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
