import { randomBytes } from 'node:crypto';
import { Fault } from '../../pipelines/fault.ts';
import type { Database, Sql } from './database.ts';
import { MIGRATIONS } from './schema.ts';

/** Any number, the same in every Stackgate: two processes that start at once must not migrate at once. */
const MIGRATION_LOCK = 0x5747;

/**
 * Brings the database to this program's version, all steps in one transaction. Forward only: a database of a newer
 * program is refused (Fault `config-invalid`).
 */
export async function migrate(db: Database, migrations = MIGRATIONS): Promise<void> {
  await db.transaction(async (sql) => {
    await sql.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await sql.query('CREATE SCHEMA IF NOT EXISTS stackgate');
    await sql.query(
      'CREATE TABLE IF NOT EXISTS stackgate.migration (version integer PRIMARY KEY, applied_at bigint NOT NULL)',
    );
    const [row] = await sql.query<{ version: number | null }>(
      'SELECT max(version) AS version FROM stackgate.migration',
    );
    const has = row?.version ?? 0;
    const knows = migrations.at(-1)?.version ?? 0;
    if (has > knows) {
      throw new Fault('config-invalid', `the database is of version ${has}, this program knows ${knows}`, {
        hint: 'Install the newer Stackgate that wrote it; versions only go forward.',
      });
    }
    for (const step of migrations) if (step.version > has) await apply(sql, step);
    await sql.query(
      `INSERT INTO stackgate.leader (epoch, since, site) VALUES (0, $1, $2) ON CONFLICT (one) DO NOTHING`,
      [Date.now(), randomBytes(8).toString('hex')],
    );
  });
}

async function apply(sql: Sql, step: { version: number; sql: string }): Promise<void> {
  for (const statement of step.sql.split(';')) {
    if (statement.trim() !== '') await sql.query(statement);
  }
  await sql.query('INSERT INTO stackgate.migration (version, applied_at) VALUES ($1, $2)', [
    step.version,
    Date.now(),
  ]);
}
