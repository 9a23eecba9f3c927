import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Launcher } from '../nodepool/launcher.ts';
import type { LauncherEvents } from '../nodepool/options.ts';
import type { Preparations } from '../nodepool/prepare/preparations.ts';
import type { SiteConfig } from '../pipelines/ports.ts';
import type { World } from '../pipelines/world.ts';
import type { ConfigProblems } from '../server/ports.ts';
import type { Intake } from '../workers/intake.ts';
import type { GitMerger } from '../workers/merger.ts';
import type { Part } from '../workers/runtime.ts';
import type { Core } from './core.ts';
import type { Door } from './door.ts';
import type { Gerrits } from './gerrits.ts';
import type { Reloads } from './reload/reloads.ts';
import { sitePath } from './site.ts';
import { type Site } from './sitekeys.ts';

/** What a process of Stackgate does. `stackgate start` does all of it. */
export type Role = 'server' | 'scheduler' | 'worker' | 'launcher';

/** One process: its site, its roles, and what its parts made so far. */
export interface House {
  readonly roles: ReadonlySet<Role>;
  readonly site: Site;
  /** Paths of the site file start here. */
  readonly base: string;
  /** The configuration as it was read at the start; the one in force is in the store. */
  readonly opened: SiteConfig;
  readonly data: string;
  readonly version: string;
  readonly log: Logger;
  /** What a part gives to later ones; empty until it started. */
  readonly made: Made;
}

export interface Made {
  core?: Core;
  door?: Door;
  gerrits?: Gerrits;
  nodes?: Launcher;
  preparations?: Preparations;
  /** Counts what the pool does, where metrics are told. */
  poolEvents?: LauncherEvents;
  merger?: GitMerger;
  /** Where plans are made. */
  reloads?: Reloads;
  /** The world of the last commit, as far as this process knows. */
  world?: World;
  /** While this process leads: aborts when it no longer does. */
  reign?: AbortSignal;
  /** What was wrong with the configuration when it was last read. */
  read?: ConfigProblems;
  readonly intakes: Intake[];
}

/** Makes one part of a process. Each stands on those before it. */
export type PartOf = (house: House) => Part;

export function openHouse(given: Omit<House, 'data' | 'made'>): House {
  return { ...given, data: sitePath(given.base, given.site.data), made: { intakes: [] } };
}

/** A part that stands on one that did not start is in the wrong place of its list. */
export function need<K extends Exclude<keyof Made, 'intakes'>>(house: House, name: K): NonNullable<Made[K]> {
  const value = house.made[name];
  if (value === undefined || value === null) throw new Error(`${name} did not start yet`);
  return value;
}

export function logsOf(house: House): string {
  return join(house.data, 'logs');
}
