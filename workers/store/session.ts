import { Client, type ClientConfig } from 'pg';
import { Fault } from '../../pipelines/fault.ts';
import { databaseFault, Mutex, type Sql } from './database.ts';

/**
 * A connection for what lives as long as its session: locks that fall when we die. We may also be stopped, or cut off without
 * a word, and then nobody tells the server; so it ends the session by itself when it has heard nothing for `SILENCE` (PostgreSQL
 * 14 and newer), and we say something every `BEAT`. From then on the locks are somebody else's, and we learn it from the end of
 * the connection, or from our own clock, before anything else is believed.
 */
export interface PgSession extends Sql {
  /** Aborts when the session ended, or when it is no longer certain that it lives. */
  readonly lost: AbortSignal;
  end(): Promise<void>;
}

/** ms */
const BEAT = 2_000;
const SILENCE = 8_000;

/** Throws Fault `database-away` when the server cannot be reached. */
export async function openSession(
  config: ClientConfig,
  onError: (error: unknown) => void,
): Promise<PgSession> {
  const client = new Client(config);
  client.on('error', onError);
  const lost = new AbortController();
  // The client answers one question after the other anyway, and wants to be asked so.
  const turns = new Mutex();
  const query = async <T extends object>(text: string, params: readonly unknown[] = []): Promise<T[]> => {
    try {
      return (await turns.run(() => client.query<T>(text, [...params]))).rows;
    } catch (caught) {
      throw databaseFault(caught);
    }
  };
  let proven = performance.now();
  let beat: NodeJS.Timeout | undefined;
  const fail = (): void => {
    clearInterval(beat);
    lost.abort(new Fault('leader-lost', 'the connection that held our locks ended', { retry: true }));
  };
  const prove = async (): Promise<void> => {
    await query('SELECT 1');
    proven = performance.now();
  };
  client.once('end', fail);
  try {
    await client.connect();
    await client
      .query(`SELECT set_config('idle_session_timeout', '${SILENCE}', false)`)
      .catch(() => undefined);
  } catch (caught) {
    await client.end().catch(() => undefined);
    throw databaseFault(caught);
  }
  beat = setInterval(() => {
    // A process that was stopped meanwhile holds nothing any more, whatever lies in its sockets.
    if (performance.now() - proven > SILENCE) {
      fail();
      void client.end().catch(onError);
      return;
    }
    prove().catch(fail);
  }, BEAT);
  beat.unref();
  return {
    query,
    lost: lost.signal,
    async end() {
      clearInterval(beat);
      await client.end().catch(onError);
      fail();
    },
  };
}
