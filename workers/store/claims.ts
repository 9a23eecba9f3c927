import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoff, Fault } from '../../pipelines/fault.ts';
import type { Claim } from '../../pipelines/ports.ts';
import type { PgSession } from './session.ts';

/**
 * What this process has in hand, among all processes of the site: advisory locks of one session. A process that dies or is
 * stopped loses them all. While the server is away nobody can take anything, so claims outlive a lost connection: they are
 * taken again when it is back, and only one that somebody else took meanwhile is lost.
 */
export interface Claims {
  claim(name: string): Promise<Claim | undefined>;
  close(): Promise<void>;
}

/** ms that `sure` waits for a server that is away. */
const PATIENCE = 60_000;

export function openClaims(connect: () => Promise<PgSession>, onError: (error: unknown) => void): Claims {
  const held = new Map<string, AbortController>();
  const closing = new AbortController();
  // Every claim waits with it while the server is away.
  setMaxListeners(0, closing.signal);
  let session: Promise<PgSession> | undefined;
  let revived: Promise<void> = Promise.resolve();

  function current(): Promise<PgSession> {
    if (session !== undefined) return session;
    const opening = connect();
    session = opening;
    void untilLost(opening).then(() => forget(opening));
    return opening;
  }

  function forget(of: Promise<PgSession>): void {
    if (session !== of) return;
    session = undefined;
    if (held.size > 0 && !closing.signal.aborted) revived = revive();
  }

  /** Takes again what was held; what another process has by now is lost. */
  async function revive(): Promise<void> {
    for (let attempt = 1; held.size > 0 && !closing.signal.aborted; attempt++) {
      try {
        const opened = await current();
        for (const [name, lost] of held) if (!(await lock(opened, name))) lose(name, lost);
        return;
      } catch (caught) {
        onError(caught);
        const wait = backoff(attempt, 100, 2_000, Math.random());
        await sleep(wait, undefined, { signal: closing.signal }).catch(() => undefined);
      }
    }
  }

  function lose(name: string, lost: AbortController): void {
    held.delete(name);
    lost.abort(new Fault('stopped', `another process has ${name} in hand now`, { retry: true }));
  }

  async function sure(name: string, lost: AbortController): Promise<void> {
    const until = performance.now() + PATIENCE;
    for (;;) {
      await revived;
      lost.signal.throwIfAborted();
      try {
        const opened = await current();
        await opened.query('SELECT 1');
        if (!opened.lost.aborted && (await current()) === opened) return;
      } catch (caught) {
        if (performance.now() > until) throw caught;
        await sleep(200, undefined, { signal: closing.signal }).catch(() => undefined);
        if (closing.signal.aborted) throw new Fault('stopped', `${name} is no longer ours`, { retry: true });
      }
    }
  }

  return {
    async claim(name) {
      await revived;
      if (held.has(name)) return undefined;
      const lost = new AbortController();
      held.set(name, lost);
      try {
        if (!(await lock(await current(), name))) {
          held.delete(name);
          return undefined;
        }
      } catch (caught) {
        held.delete(name);
        throw caught;
      }
      return {
        lost: lost.signal,
        sure: () => sure(name, lost),
        async release() {
          if (!held.delete(name)) return;
          const opened = await session?.catch(() => undefined);
          await opened?.query(UNLOCK, [keyOf(name)]).catch(() => undefined);
        },
      };
    },
    async close() {
      closing.abort();
      await revived;
      const opened = await session?.catch(() => undefined);
      await opened?.end();
      for (const [name, lost] of held) lose(name, lost);
    },
  };
}

const LOCK = 'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS held';
const UNLOCK = 'SELECT pg_advisory_unlock(hashtextextended($1, 0))';

const keyOf = (name: string): string => `stackgate/${name}`;

async function lock(session: PgSession, name: string): Promise<boolean> {
  const [row] = await session.query<{ held: boolean }>(LOCK, [keyOf(name)]);
  return row?.held === true;
}

/** Resolves when the session ended, or never began. */
async function untilLost(opening: Promise<PgSession>): Promise<void> {
  const { lost } = await opening.catch(() => ({ lost: AbortSignal.abort() }));
  if (lost.aborted) return;
  await new Promise<void>((resolve) => {
    lost.addEventListener('abort', () => resolve(), { once: true });
  });
}
