import type { StartOptions } from '../harness/instance.ts';
import type { Expected } from './judge.ts';
import { type Keeper, keep } from './keeper.ts';
import { oneOfEverything } from './rounds.ts';
import { type CrashSite, makeCrashSite, type SiteOptions } from './site.ts';

/** A site and its processes, each kept alive: one that plays every role, or one for each. */

export const ROLES = ['server', 'scheduler', 'launcher', 'worker'] as const;
/** `start`: all of them in one process. */
export type Role = (typeof ROLES)[number] | 'start';

export interface Cast extends AsyncDisposable {
  readonly play: (site: CrashSite) => Promise<Expected[]>;
  readonly site: CrashSite;
  readonly keepers: ReadonlyMap<Role, Keeper>;
  keeper(role: Role): Keeper;
  /** The one that answers people. */
  readonly door: Keeper;
  /** What each process said last, for a person who looks into a violation. */
  outputs(): string[];
}

/** What a part of the suite plays on. */
export interface Stage {
  readonly roles: readonly Role[];
  readonly site: () => SiteOptions | Promise<SiteOptions>;
  readonly plain: StartOptions;
  /** What people do in a round; one of everything where left out. */
  readonly round?: (site: CrashSite) => Promise<Expected[]>;
}

export async function castOf(
  dir: string,
  { roles, site: wanted, plain, round }: Stage,
  env: (role: Role) => Record<string, string> = () => ({}),
): Promise<Cast> {
  const site = await makeCrashSite(dir, await wanted());
  const keepers = new Map<Role, Keeper>();
  for (const role of roles)
    keepers.set(role, keep(site.siteFile, { ...plain, role, env: { ...plain.env, ...env(role) } }));
  const keeper = (role: Role): Keeper => {
    const found = keepers.get(role);
    if (found === undefined) throw new Error(`no process plays ${role}`);
    return found;
  };
  return {
    play: round ?? oneOfEverything,
    site,
    keepers,
    keeper,
    door: keeper(roles.includes('start') ? 'start' : 'server'),
    outputs: () =>
      [...keepers].flatMap(([role, { outputs }]) => outputs.slice(-2).map((text) => `${role}:\n${text}`)),
    async [Symbol.asyncDispose]() {
      for (const each of keepers.values()) await each[Symbol.asyncDispose]();
      await site[Symbol.asyncDispose]();
    },
  };
}
