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
  /** SIGKILL now, whatever it is doing; the next life has these options. */
  restart(options?: StartOptions): Promise<void>;
  /** Waits for a life that gets as far as being ready. */
  ready(deadline: number): Promise<Pick<Instance, 'url' | 'token' | 'get' | 'pid'>>;
}

const KEPT = 4;

export function keep(siteFile: string, plain: StartOptions = {}): Keeper {
  const outputs: string[] = [];
  let deaths = 0;
  const stopping = new AbortController();
  let next: StartOptions = plain;
  let living: ReturnType<typeof launch> | undefined;

  async function live(): Promise<void> {
    while (!stopping.signal.aborted) {
      const options = next;
      next = plain;
      living = launch(siteFile, options);
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
    async restart(options = {}) {
      next = { ...plain, ...options, env: { ...plain.env, ...options.env } };
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
