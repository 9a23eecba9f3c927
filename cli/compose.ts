import type { Logger } from 'pino';
import type { ReloadOutcome } from '../server/ports.ts';
import type { Part } from '../workers/runtime.ts';
import { openHouse, type PartOf, type Role } from './house.ts';
import { database } from './parts/database.ts';
import { serverDoor, smallDoor } from './parts/door.ts';
import { gerrits } from './parts/gerrits.ts';
import { hands } from './parts/hands.ts';
import { intake } from './parts/intake.ts';
import { merger } from './parts/merger.ts';
import { nodes } from './parts/nodes.ts';
import { reloads } from './parts/reloads.ts';
import { scheduler } from './parts/scheduler.ts';
import { timers } from './parts/timers.ts';
import { logUpkeep, rowUpkeep } from './parts/upkeep.ts';
import { worker } from './parts/worker.ts';
import { world } from './parts/world.ts';
import type { Opening } from './reload/opening.ts';
import type { ReloadReason } from './reload/reloads.ts';

/**
 * The only place that wires rooms together: a process is a list of parts. They start in this order and stop in the opposite one;
 * each stands on those before it.
 */
export interface Composition {
  readonly parts: readonly Part[];
  /** Reads the configuration again and puts it in force. Undefined: this process plans nothing. */
  reload(reason: ReloadReason, signal: AbortSignal): Promise<ReloadOutcome | undefined>;
}

/** A process of Stackgate: one role, or all of them. */
export type Process = Role | 'start';

function partsOf(opening: Opening): Readonly<Record<Process, readonly PartOf[]>> {
  const wanted = () => opening.config;
  const plans = [scheduler(wanted), reloads(opening), intake(wanted), timers];
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
  opening: Opening,
  version: string,
  log: Logger,
  process: Process = 'start',
): Composition {
  const roles = new Set(process === 'start' ? ALL : [process]);
  const { site, base } = opening;
  const house = openHouse({ roles, site, base, opened: opening.config, version, log });
  house.made.read = { at: Date.now(), taken: true, problems: opening.problems };
  return {
    parts: partsOf(opening)[process].map((part) => part(house)),
    reload: async (reason, signal) => house.made.reloads?.reload(reason, signal),
  };
}
