import { isDeepStrictEqual } from 'node:util';
import type { Standing } from './config/standing.ts';
import { type Desk, openDesk } from './desk.ts';
import type { LauncherOptions } from './options.ts';

/** One desk for each provider that is used, replaced when what nodepool.yaml says of it takes effect. */
export interface Desks {
  readonly all: ReadonlyMap<string, Desk>;
  /** Opens what is new, closes what is gone, and leaves alone what did not change. */
  apply(standing: Standing): void;
  /** Resolves when all are closed. */
  close(): Promise<void>;
}

export interface DesksOptions {
  readonly options: LauncherOptions;
  readonly log: Parameters<typeof openDesk>[3];
  /** Looks at a provider as long as it is used. */
  readonly watch: (desk: Desk, stop: AbortSignal) => Promise<void>;
  readonly stop: AbortSignal;
}

export function openDesks({ options, log, watch, stop }: DesksOptions): Desks {
  const { timer, providers: fixed } = options;
  const all = new Map<string, Desk>();
  const watches = new Map<string, AbortController>();
  const running = new Set<Promise<unknown>>();

  return {
    all,
    apply({ providers }) {
      for (const [name, desk] of all) {
        const isFixed = fixed.some(({ config }) => config.name === name);
        if (!isFixed && !isDeepStrictEqual(desk.config, providers.get(name)?.config)) leave(desk);
      }
      for (const { provider, config } of fixed)
        if (!all.has(config.name)) seat(openDesk(provider, config, timer, log));
      for (const [name, { config }] of providers)
        if (!all.has(name)) seat(openDesk(options.open(config), config, timer, log));
    },
    async close() {
      for (const desk of all.values()) leave(desk);
      await Promise.allSettled(running);
    },
  };

  function seat(desk: Desk): void {
    const ending = new AbortController();
    all.set(desk.config.name, desk);
    watches.set(desk.config.name, ending);
    follow(watch(desk, AbortSignal.any([stop, ending.signal])));
  }

  function leave(desk: Desk): void {
    const { name } = desk.config;
    all.delete(name);
    watches.get(name)?.abort(new Error('nodepool.yaml changed'));
    watches.delete(name);
    follow(desk.close());
  }

  function follow(work: Promise<unknown>): void {
    const done = work.catch(() => undefined).finally(() => running.delete(done));
    running.add(done);
  }
}
