import { Redis } from 'ioredis';
import { Client } from 'pg';

/**
 * Servers that somebody lends to the demo: it takes them only empty and gives them back empty. What a real site keeps there is
 * never touched.
 */
export async function borrowServers(lent: {
  readonly database?: string | undefined;
  readonly redis?: string | undefined;
}): Promise<() => Promise<void>> {
  if (lent.database !== undefined) {
    const [row] = await sql(
      lent.database,
      "SELECT 1 FROM pg_namespace WHERE nspname IN ('stackgate', 'bullmq')",
    );
    if (row !== undefined) {
      throw new Error(
        'this database has a Stackgate in it already, and the demo wants an empty one: createdb demo, then --database .../demo',
      );
    }
  }
  return async () => {
    const site = lent.database === undefined ? undefined : await siteOf(lent.database);
    if (lent.redis !== undefined && site !== undefined) await forget(lent.redis, `stackgate-${site}`);
    if (lent.database !== undefined)
      await sql(
        lent.database,
        'DROP SCHEMA IF EXISTS stackgate CASCADE; DROP SCHEMA IF EXISTS bullmq CASCADE',
      );
  };
}

async function siteOf(url: string): Promise<string | undefined> {
  const [row] = await sql(url, 'SELECT site FROM stackgate.leader').catch(() => []);
  return typeof row?.['site'] === 'string' ? row['site'] : undefined;
}

/** Keys of this site alone. */
async function forget(url: string, prefix: string): Promise<void> {
  const redis = new Redis(url, { lazyConnect: true });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 500 }))
      if (Array.isArray(keys) && keys.length > 0) await redis.del(...keys.map(String));
  } finally {
    redis.disconnect();
  }
}

async function sql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}
