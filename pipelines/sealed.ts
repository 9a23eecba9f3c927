import { z } from 'zod';

/** Which parameters of a build are secret, so that facts, actions and pages have only their names. Pure. */

export type Params = Readonly<Record<string, string>>;

export interface Parted {
  readonly open: Record<string, string>;
  readonly secret: Record<string, string>;
}

export function partParams(params: Params, isSecret: (name: string, value: string) => boolean): Parted {
  const parted: Parted = { open: {}, secret: {} };
  for (const [name, value] of Object.entries(params)) {
    // What names change, ref and build is no secret and is needed everywhere.
    const secret = !/^(ZUUL_|(BASE_)?LOG_PATH$)/.test(name) && isSecret(name, value);
    parted[secret ? 'secret' : 'open'][name] = value;
  }
  return parted;
}

const Definition = z.object({
  passwords: z.array(z.string()).catch([]),
  parameters: z.record(z.string(), z.string()).catch({}),
});

/** Names of the password parameters of a job as a configuration holds it. */
export function passwordsOf(job: unknown): readonly string[] {
  return Definition.safeParse(job).data?.passwords ?? [];
}

/** Job → password parameter → default, where there is one. */
export function passwordDefaults(jobs: Readonly<Record<string, unknown>>): Record<string, Params> {
  const found: Record<string, Params> = {};
  for (const [name, job] of Object.entries(jobs)) {
    const { passwords, parameters } = Definition.parse(job);
    const given = passwords.flatMap((each): [string, string][] => {
      const value = Object.hasOwn(parameters, each) ? parameters[each] : undefined;
      return value === undefined || value === '' ? [] : [[each, value]];
    });
    if (given.length > 0) found[name] = Object.fromEntries(given);
  }
  return found;
}

/** A job with other values for some of its parameters. */
export function withParameters(job: unknown, values: Params): unknown {
  const { parameters } = Definition.parse(job);
  return typeof job === 'object' && job !== null ? { ...job, parameters: { ...parameters, ...values } } : job;
}
