import type { Machine, NodeOrder, Provider, Setback } from '../../../nodepool/provider.ts';
import type { Timer } from '../../../nodepool/timer.ts';

/** A cloud in memory, with a cloud's habits: it is slow, forgets to answer, has a quota others use as well, and fails to boot. */
export interface CloudHabits {
  /** Instances in all; what others use of it changes over time. */
  readonly quota: number;
  readonly othersUse?: ((now: number) => number) | undefined;
  /** ms from create to a machine that runs; and of one call. */
  readonly bootTime: () => number;
  readonly latency: () => number;
  /** Chances in [0, 1]. */
  readonly bootFails?: number;
  /** `create` works, its answer is lost. */
  readonly replyLost?: number;
  /** `create` fails before it did anything. */
  readonly createFails?: number;
  readonly deleteFails?: number;
  readonly random: () => number;
  readonly timer: Timer;
  readonly zones?: readonly string[];
  /** Tells our quota when asked. */
  readonly tellsQuota?: boolean;
}

export interface FakeMachine {
  readonly id: string;
  readonly node: string;
  readonly zone: string | undefined;
  readonly createdAt: number;
  readonly upAt: number;
  readonly fails: boolean;
  goneAt?: number;
}

export interface FakeCloud extends Provider {
  readonly machines: Map<string, FakeMachine>;
  readonly calls: { create: number; delete: number; list: number; probe: number };
  /** Machines that were ever made, and the most at a time. */
  made: number;
  most: number;
  refused: number;
  /** What happens next to whoever asks, once each. */
  readonly next: { create: Setback[]; delete: Setback[]; list: Setback[] };
  /** As if an operator of the cloud had removed it. */
  forget(id: string): void;
}

export function fakeCloud(name: string, site: string, habits: CloudHabits): FakeCloud {
  const { timer, random } = habits;
  const machines = new Map<string, FakeMachine>();
  const calls = { create: 0, delete: 0, list: 0, probe: 0 };
  let count = 0;
  const chance = (of: number | undefined) => of !== undefined && random() < of;
  const lost: Setback = { kind: 'transient', reason: 'the connection broke' };

  function sweep(): void {
    for (const [id, machine] of machines)
      if (machine.goneAt !== undefined && machine.goneAt <= timer.now()) machines.delete(id);
  }

  function view(machine: FakeMachine): Machine {
    const { id, node, zone, upAt, fails } = machine;
    const isUp = timer.now() >= upAt;
    const number = Number(id.slice(1));
    const address = `10.0.${Math.floor(number / 250)}.${(number % 250) + 1}`;
    if (!isUp) return { id, node, zone, state: 'building' };
    return fails
      ? { id, node, zone, state: 'failed', reason: 'no bootable device' }
      : { id, node, zone, state: 'active', address };
  }

  async function call(what: keyof typeof calls, signal: AbortSignal): Promise<void> {
    calls[what] += 1;
    await timer.sleep(habits.latency(), signal);
    sweep();
  }

  const cloud: FakeCloud = {
    name,
    driver: 'fake',
    machines,
    calls,
    made: 0,
    most: 0,
    refused: 0,
    next: { create: [], delete: [], list: [] },
    forget: (id) => void machines.delete(id),
    async create(order: NodeOrder, signal) {
      if (order.site !== site) throw new Error('an order of another site');
      await call('create', signal);
      const told = cloud.next.create.shift();
      if (told !== undefined) return told;
      const before = order.again ? [...machines.values()].find(({ node }) => node === order.node) : undefined;
      if (before !== undefined) return { kind: 'created', machine: view(before) };
      if (chance(habits.createFails)) return lost;
      const others = habits.othersUse?.(timer.now()) ?? 0;
      if (machines.size + others >= habits.quota) {
        cloud.refused += 1;
        return { kind: 'quota', reason: 'Quota exceeded for instances' };
      }
      const machine: FakeMachine = {
        id: `m${++count}`,
        node: order.node,
        zone: order.zone,
        createdAt: timer.now(),
        upAt: timer.now() + habits.bootTime(),
        fails: chance(habits.bootFails),
      };
      machines.set(machine.id, machine);
      cloud.made += 1;
      cloud.most = Math.max(cloud.most, machines.size);
      return chance(habits.replyLost) ? lost : { kind: 'created', machine: view(machine) };
    },
    async list(signal) {
      await call('list', signal);
      return cloud.next.list.shift() ?? { kind: 'listed', machines: [...machines.values()].map(view) };
    },
    async delete({ id, node }, signal) {
      await call('delete', signal);
      const told = cloud.next.delete.shift();
      if (told !== undefined) return told;
      if (chance(habits.deleteFails)) return lost;
      const found = [...machines.values()].find((each) =>
        id === undefined ? each.node === node : each.id === id,
      );
      if (found === undefined) return { kind: 'gone' };
      found.goneAt ??= timer.now() + 3000;
      return { kind: 'going' };
    },
    async probe(_, signal) {
      await call('probe', signal);
      const instances = habits.quota - (habits.othersUse?.(timer.now()) ?? 0);
      const tells = habits.tellsQuota === true;
      return {
        kind: 'probed',
        capacity: tells ? { instances } : {},
        quota: tells ? { instances: habits.quota } : {},
        zones: habits.zones ?? [],
        kinds: {},
      };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return cloud;
}
