/**
 * The store's tables, as numbered steps that are applied once and never edited after a release. Times are milliseconds.
 *
 * Values are JSON in `text`, not `jsonb`: see text.ts. What is searched by has a column of its own.
 */
export const MIGRATIONS: readonly { readonly version: number; readonly sql: string }[] = [
  {
    version: 1,
    sql: `
      CREATE TABLE stackgate.facts (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        key text NOT NULL UNIQUE,
        kind text NOT NULL,
        type text,
        body text NOT NULL,
        raw text,
        filed_at bigint NOT NULL,
        used_at bigint,
        aside boolean NOT NULL DEFAULT false,
        note text
      );
      CREATE INDEX facts_unused ON stackgate.facts (seq) WHERE used_at IS NULL;
      CREATE INDEX facts_filed ON stackgate.facts (filed_at);

      CREATE TABLE stackgate.world (
        tbl text NOT NULL,
        key text NOT NULL,
        value text NOT NULL,
        PRIMARY KEY (tbl, key)
      );

      CREATE TABLE stackgate.actions (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id text NOT NULL UNIQUE,
        kind text NOT NULL,
        body text NOT NULL,
        wanted_at bigint NOT NULL,
        begun_at bigint,
        cancelled_at bigint,
        reason text,
        answered_at bigint,
        done_at bigint
      );
      CREATE INDEX actions_undone ON stackgate.actions (seq) WHERE done_at IS NULL;
      CREATE INDEX actions_done ON stackgate.actions (done_at);

      CREATE TABLE stackgate.effects (
        action text PRIMARY KEY,
        value text NOT NULL,
        saved_at bigint NOT NULL
      );

      CREATE TABLE stackgate.configs (
        digest text PRIMARY KEY,
        value text NOT NULL,
        saved_at bigint NOT NULL
      );

      CREATE TABLE stackgate.history (
        tbl text NOT NULL,
        key text NOT NULL,
        at bigint NOT NULL,
        uuid text,
        job text,
        pipeline text,
        project text,
        change text,
        result text,
        value text NOT NULL,
        PRIMARY KEY (tbl, key)
      );
      CREATE INDEX history_at ON stackgate.history (tbl, at DESC);
      CREATE INDEX history_uuid ON stackgate.history (uuid text_pattern_ops) WHERE uuid IS NOT NULL;
      CREATE INDEX history_job ON stackgate.history (tbl, job, at DESC);
      CREATE INDEX history_change ON stackgate.history (tbl, change text_pattern_ops, at DESC);

      CREATE TABLE stackgate.leader (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        epoch bigint NOT NULL,
        since bigint NOT NULL,
        site text NOT NULL
      );
    `,
  },
  {
    version: 2,
    sql: `
      CREATE TABLE stackgate.pool (
        tbl text NOT NULL,
        key text NOT NULL,
        value text NOT NULL,
        PRIMARY KEY (tbl, key)
      );
    `,
  },
  {
    version: 3,
    sql: `
      CREATE TABLE stackgate.sealed (
        request text PRIMARY KEY,
        value text NOT NULL,
        saved_at bigint NOT NULL
      );
    `,
  },
];
