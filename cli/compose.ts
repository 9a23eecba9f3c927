import type { Logger } from 'pino';
import type { SiteConfig } from '../pipelines/ports.ts';
import type { ConfigProblems } from '../server/ports.ts';
import type { Part } from '../workers/runtime.ts';
import { openHouse, type PartOf, type Role } from './house.ts';
import { database } from './parts/database.ts';
import { serverDoor, smallDoor } from './parts/door.ts';
import { gerrits } from './parts/gerrits.ts';
import { hands } from './parts/hands.ts';
import { intake } from './parts/intake.ts';
import { merger } from './parts/merger.ts';
import { nodes } from './parts/nodes.ts';
import { configure, scheduler } from './parts/scheduler.ts';
import { logUpkeep, rowUpkeep } from './parts/upkeep.ts';
import { worker } from './parts/worker.ts';
import { world } from './parts/world.ts';
import type { Site } from './site.ts';

/**
 * The only place that wires rooms together: a process is a list of parts. They start in this order and stop in the opposite one;
 * each stands on those before it.
 */
export interface Composition {
  readonly parts: readonly Part[];
  /** Puts a validated configuration in force; the one in force is no change. Only where a scheduler is. */
  configure(config: SiteConfig): Promise<boolean>;
  /** Told what was wrong with the files, for people who look at the configuration. */
  read(problems: ConfigProblems): void;
}

/** A process of Stackgate: one role, or all of them. */
export type Process = Role | 'start';

function partsOf(wanted: () => SiteConfig): Readonly<Record<Process, readonly PartOf[]>> {
  const plans = [scheduler(wanted), intake(wanted)];
  return {
    start: [database, gerrits, serverDoor, nodes, merger, worker, hands, ...plans, logUpkeep, rowUpkeep],
    server: [database, gerrits, world, serverDoor, logUpkeep],
    scheduler: [database, gerrits, smallDoor('scheduler'), ...plans, rowUpkeep],
    worker: [database, gerrits, smallDoor('worker'), merger, worker, hands],
    launcher: [database, smallDoor('launcher'), nodes, hands],
  };
}

const ALL: readonly Role[] = ['server', 'scheduler', 'worker', 'launcher'];

export function compose(
  site: Site,
  base: string,
  first: SiteConfig,
  version: string,
  log: Logger,
  process: Process = 'start',
): Composition {
  const roles = new Set(process === 'start' ? ALL : [process]);
  const house = openHouse({ roles, site, base, version, log });
  let wanted = first;
  return {
    parts: partsOf(() => wanted)[process].map((part) => part(house)),
    configure(config) {
      wanted = config;
      return configure(house, config);
    },
    read(problems) {
      house.made.read = problems;
    },
  };
}
