import type { Book } from './book.ts';
import type { Desk, Say } from './desk.ts';
import type { Lives } from './life.ts';
import type { NodeRecord } from './node.ts';
import type { Machine } from './provider.ts';
import type { Timer } from './timer.ts';

/**
 * One list for all nodes of a provider: every second while something boots or goes away, else every minute. It tells each
 * node what became of its machine, and finds machines that no record knows: seen in two lists in a row they are deleted.
 */
export interface WatchOptions {
  readonly desk: Desk;
  readonly book: Book;
  readonly lives: Lives;
  readonly timer: Timer;
  readonly stop: AbortSignal;
  readonly log: Say;
  /** A machine nobody knew was deleted. */
  readonly leaked: (provider: string) => void;
}

const busy = 1000;
const calm = 60_000;

export async function watchProvider(options: WatchOptions): Promise<void> {
  const { desk, book, lives, timer, stop, log } = options;
  if (desk.provider.places !== undefined) return;
  /** Lists in a row that did not show a node, that showed a machine nobody knows. */
  let missing = new Map<string, number>();
  let strange = new Map<string, number>();
  let last = Number.NEGATIVE_INFINITY;
  while (!stop.aborted) {
    try {
      if (timer.now() - last >= calm || isBusy()) {
        last = timer.now();
        await look();
      }
      await timer.sleep(busy, stop);
    } catch (caught) {
      if (stop.aborted) return;
      log('a look at a provider failed', { provider: desk.config.name, error: String(caught) });
      await timer.sleep(busy, stop).catch(() => undefined);
    }
  }

  function nodes(): NodeRecord[] {
    return [...book.nodes.values()].filter((node) => node.provider === desk.config.name);
  }

  function isBusy(): boolean {
    return nodes().some(
      ({ state, machine }) =>
        (state.phase === 'building' && machine !== undefined) ||
        (state.phase === 'deleting' && state.tries === 0),
    );
  }

  async function look(): Promise<void> {
    // What is there before the question must be in the answer.
    const before = nodes();
    const answer = await desk.call('list', (inTime) => desk.provider.list(inTime), stop);
    if (answer.kind !== 'listed') {
      log('list failed', { provider: desk.config.name, reason: answer.reason });
      return;
    }
    const machines = new Map(answer.machines.map((machine) => [machine.id, machine]));
    const nowMissing = new Map<string, number>();
    for (const { id, machine } of before) {
      const node = book.nodes.get(id);
      if (node === undefined || machine === undefined) continue;
      const found = machines.get(machine.id);
      if (found !== undefined) lives.seen(node, found);
      else if (node.state.phase === 'deleting') lives.vanished(node);
      else {
        const times = (missing.get(id) ?? 0) + 1;
        nowMissing.set(id, times);
        if (times >= 2) lives.vanished(node);
      }
    }
    missing = nowMissing;
    await removeStrangers(answer.machines, new Set(before.map((node) => node.id)));
    for (const what of (await desk.provider.sweep?.(stop)) ?? [])
      log('swept', { provider: desk.config.name, what });
  }

  async function removeStrangers(machines: readonly Machine[], before: ReadonlySet<string>): Promise<void> {
    const now = new Map<string, number>();
    for (const machine of machines) {
      if (machine.node === undefined || !isStranger(machine, machine.node, before)) continue;
      const times = (strange.get(machine.id) ?? 0) + 1;
      now.set(machine.id, times);
      if (times < 2) continue;
      const of = { node: machine.node, id: machine.id };
      const answer = await desk.call('delete', (inTime) => desk.provider.delete(of, inTime), stop);
      log('leaked machine', {
        provider: desk.config.name,
        machine: machine.id,
        node: machine.node,
        answer: answer.kind,
      });
      if (answer.kind === 'gone' || answer.kind === 'going') options.leaked(desk.config.name);
    }
    strange = now;
  }

  /** No record, or another machine of a node that has one. */
  function isStranger(machine: Machine, id: string, before: ReadonlySet<string>): boolean {
    const node = book.nodes.get(id);
    if (node === undefined) return !before.has(id);
    return node.machine !== undefined && node.machine.id !== machine.id;
  }
}
