import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { House } from '../house.ts';
import { poolMetrics } from './poolmetrics.ts';

/** What this process can say of itself; what only one role knows is told by that role alone. */
export function metrics(house: House): Registry {
  const { made, roles } = house;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  if (roles.has('launcher')) made.poolEvents = poolMetrics(registry, () => made.nodes);
  const registers = [registry];
  if (!roles.has('scheduler')) return registry;
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_pipeline_items',
    help: 'Live items by pipeline',
    labelNames: ['pipeline'],
    registers,
    collect() {
      this.reset();
      if (made.reign?.aborted !== false) return;
      for (const item of made.world?.tables.items.values() ?? [])
        if (item.live) this.inc({ pipeline: item.pipeline });
    },
  });
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_actions',
    help: 'Actions in the work queues by kind and state',
    labelNames: ['kind', 'state'],
    registers,
    async collect() {
      for (const [kind, { waiting, running }] of Object.entries((await made.core?.queue.counts()) ?? {})) {
        this.set({ kind, state: 'waiting' }, waiting);
        this.set({ kind, state: 'running' }, running);
      }
    },
  });
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_gerrit_stream_connected',
    help: '1 while the event stream of a connection is heard',
    labelNames: ['connection'],
    registers,
    collect() {
      this.reset();
      for (const intake of made.intakes)
        this.set({ connection: intake.connection }, intake.state().stream.phase.kind === 'connected' ? 1 : 0);
    },
  });
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_leading',
    help: '1 in the process whose scheduler leads',
    registers,
    collect() {
      this.set(made.reign?.aborted === false ? 1 : 0);
    },
  });
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_config_reload_success',
    help: '0 after a configuration was refused, while the old one stays in force',
    registers,
    collect() {
      const state = made.reloads?.state();
      if (state !== undefined) this.set(state.refused === undefined ? 1 : 0);
    },
  });
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_config_reload_timestamp_seconds',
    help: 'When the configuration in force took effect',
    registers,
    collect() {
      const state = made.reloads?.state();
      if (state !== undefined) this.set(state.since / 1000);
    },
  });
  return registry;
}
