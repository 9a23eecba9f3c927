import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Launcher } from '../../nodepool/launcher.ts';
import type { LauncherEvents } from '../../nodepool/options.ts';

/** The pool's figures under Nodepool's names: nodes by state, launches and how they ended, demand, leaks, calls. */
export function poolMetrics(registry: Registry, opened: () => Launcher | undefined): LauncherEvents {
  const registers = [registry];
  const launches = new Counter({
    name: 'stackgate_nodepool_launches_total',
    help: 'Launches by provider, label and how they ended (ready, quota, failed)',
    labelNames: ['provider', 'label', 'end'],
    registers,
  });
  const launchTime = new Histogram({
    name: 'stackgate_nodepool_launch_seconds',
    help: 'From the order to a node that is ready',
    labelNames: ['provider'],
    buckets: [0.1, 0.3, 1, 5, 15, 30, 60, 120, 300, 600],
    registers,
  });
  const waits = new Histogram({
    name: 'stackgate_nodepool_request_seconds',
    help: 'From the request to its lease',
    labelNames: ['label'],
    buckets: [0.1, 0.3, 1, 5, 30, 60, 300, 900, 3600, 14400],
    registers,
  });
  const leaks = new Counter({
    name: 'stackgate_nodepool_leaked_total',
    help: 'Machines that nobody knew, deleted',
    labelNames: ['provider'],
    registers,
  });
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_nodepool_nodes',
    help: 'Nodes by provider, label and state',
    labelNames: ['provider', 'label', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { provider, label, state } of opened()?.context.book.nodes.values() ?? [])
        this.inc({ provider, label, state: state.phase });
    },
  });
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_nodepool_requests',
    help: 'Requests by label and state',
    labelNames: ['label', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { nodes, state } of opened()?.context.book.requests.values() ?? [])
        this.inc({ label: nodes.label, state: state.phase });
    },
  });
  // oxlint-disable-next-line no-new -- a gauge registers itself
  new Gauge({
    name: 'stackgate_nodepool_provider_calls',
    help: 'Calls of a provider since the start, by method',
    labelNames: ['provider', 'method'],
    registers,
    collect() {
      for (const [provider, desk] of opened()?.context.desks.all ?? [])
        for (const [method, count] of desk.calls) this.set({ provider, method }, count);
    },
  });
  return {
    launched({ provider, label }, end, ms) {
      launches.inc({ provider, label, end });
      if (end === 'ready') launchTime.observe({ provider }, ms / 1000);
    },
    granted: ({ nodes }, ms) => waits.observe({ label: nodes.label }, ms / 1000),
    leaked: (provider) => leaks.inc({ provider }),
  };
}
