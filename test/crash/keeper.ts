import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Instance, launch, type StartOptions, whenReady } from '../harness/instance.ts';

/**
 * Keeps one Stackgate alive: whenever it dies it is started again, as systemd would. Options given to `restart` hold for one
 * life: a process that was told where to die is followed by a plain one.
 */
export interface Keeper extends AsyncDisposable {
  /** Ends of processes nobody asked for by `stop`. */
  readonly deaths: number;
  /** What the last processes wrote, for a person who looks into a violation. */
  readonly outputs: readonly string[];
  /** Tells the living process to die at its `pass`-th passing of `name` from now on. The next life knows nothing of it. */
  arm(place: { readonly name: string; readonly pass: number }): Promise<void>;
  /** Takes that back. */
  disarm(): Promise<void>;
  /** SIGKILL now, whatever it is doing; the next life has these options. */
  restart(options?: StartOptions): Promise<void>;
  /** Waits for a life that gets as far as being ready. */
  ready(deadline: number): Promise<Pick<Instance, 'url' | 'token' | 'get' | 'pid'>>;
}

const KEPT = 4;

export function keep(siteFile: string, options: StartOptions = {}): Keeper {
  const order = join(dirname(siteFile), `die-${randomUUID()}`);
  const plain = { ...options, env: { ...options.env, STACKGATE_CRASH_AT: `@${order}` } };
  const outputs: string[] = [];
  let deaths = 0;
  const stopping = new AbortController();
  let next: StartOptions = plain;
  let living: ReturnType<typeof launch> | undefined;

  async function live(): Promise<void> {
    while (!stopping.signal.aborted) {
      const given = next;
      next = plain;
      living = launch(siteFile, given);
      await living.gone;
      outputs.push(living.output());
      outputs.splice(0, outputs.length - KEPT);
      if (!stopping.signal.aborted) deaths += 1;
    }
  }
  const life = live();

  return {
    get deaths() {
      return deaths;
    },
    outputs,
    arm: ({ name, pass }) => writeFile(order, `${name}:${pass}\n`),
    disarm: () => rm(order, { force: true }),
    async restart(given = {}) {
      next = { ...plain, ...given, env: { ...plain.env, ...given.env } };
      await living?.kill('SIGKILL');
    },
    async ready(deadline) {
      const until = Date.now() + deadline;
      while (true) {
        const attempt = living;
        try {
          if (attempt !== undefined) return await whenReady(siteFile, attempt, until);
        } catch (caught) {
          if (Date.now() > until || attempt === living) throw caught;
        }
      }
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await living?.kill('SIGKILL');
      await life;
    },
  };
}
