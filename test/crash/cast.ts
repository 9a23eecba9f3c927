import type { StartOptions } from '../harness/instance.ts';
import { type Keeper, keep } from './keeper.ts';
import { type CrashSite, makeCrashSite, type SiteOptions } from './site.ts';

/** A site and its processes, each kept alive: one that plays every role, or one for each. */

export const ROLES = ['server', 'scheduler', 'launcher', 'worker'] as const;
/** `start`: all of them in one process. */
export type Role = (typeof ROLES)[number] | 'start';

export interface Cast extends AsyncDisposable {
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
}

export async function castOf(
  dir: string,
  { roles, site: wanted, plain }: Stage,
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
