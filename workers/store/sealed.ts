import type { Sql } from './database.ts';

/** Secret parameters of requests, as their sealer wrote them, from before the request is filed until nothing speaks of it. */

/** ms that they wait for a request that was not filed: whoever sealed them may have died in between, and come back. */
export const UNFILED = 24 * 60 * 60 * 1000;

export async function keepSealed(sql: Sql, request: string, text: string, now: number): Promise<void> {
  await sql.query(
    `INSERT INTO stackgate.sealed (request, value, saved_at) VALUES ($1, $2, $3) ON CONFLICT (request) DO NOTHING`,
    [request, text, now],
  );
}

export async function sealedText(sql: Sql, request: string): Promise<string | undefined> {
  const [row] = await sql.query<{ value: string }>('SELECT value FROM stackgate.sealed WHERE request = $1', [
    request,
  ]);
  return row?.value;
}

/**
 * One statement, so one moment is looked at: the request is filed and used, neither an item nor a look at a change speaks of it,
 * and no build of it is still to be run, undone or told of. There are few rows, mostly none.
 */
export async function forgetSealed(sql: Sql, now: number): Promise<number> {
  const gone = await sql.query(
    `DELETE FROM stackgate.sealed AS old
      WHERE (saved_at < $1 OR EXISTS (SELECT 1 FROM stackgate.facts WHERE key = 'request/' || old.request))
        AND NOT EXISTS (SELECT 1 FROM stackgate.facts WHERE key = 'request/' || old.request AND used_at IS NULL)
        AND NOT EXISTS (SELECT 1 FROM stackgate.world
                         WHERE tbl IN ('items', 'fetches')
                           AND strpos(value, '"request":' || to_json(old.request)::text) > 0)
        AND NOT EXISTS (SELECT 1 FROM stackgate.actions
                         WHERE done_at IS NULL AND kind = 'build'
                           AND strpos(body, '"request":' || to_json(old.request)::text) > 0)
      RETURNING 1 AS gone`,
    [now - UNFILED],
  );
  return gone.length;
}
