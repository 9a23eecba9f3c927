import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { antMatches, antPattern } from '../jobs/ant.ts';
import type { CollectedFile, History, Store } from '../pipelines/ports.ts';
import { runPipeline } from '../pipelines/rules.ts';
import { logSegments } from './logs/path.ts';
import { readManifest } from './logs/site.ts';
import type { BuildOutcome, Neighbours, PastBuild } from './neighbours.ts';

/** `Neighbours` over the history, the inbox and a directory of logs. */

const Row = z.object({
  uuid: z.string(),
  number: z.number(),
  result: z.string(),
  logPath: z.string(),
  startedAt: z.number().optional(),
  finishedAt: z.number(),
});

const Item = z.object({
  request: z.string(),
  result: z.string(),
  builds: z.array(z.object({ uuid: z.string().optional(), result: z.string(), url: z.string().optional() })),
});

/** Rows of the history that are looked through for one request. */
const page = 500;

export function neighboursOf(
  store: Pick<Store, 'file'> & Pick<History, 'builds' | 'build' | 'items' | 'ledger'>,
  logs: string,
  now: () => number = Date.now,
): Neighbours {
  const folderOf = (logPath: string) => join(logs, ...logSegments(logPath));

  async function outcome(id: string): Promise<BuildOutcome | undefined> {
    const rows = await store.items({ pipeline: runPipeline, limit: page });
    const items = rows.flatMap((row) => Item.safeParse(row.value).data ?? []);
    const item = items.find((each) => each.request === id);
    if (item !== undefined) {
      const [build] = item.builds;
      const { url } = build ?? {};
      const number = await numberOf(build?.uuid);
      return {
        result: build?.result ?? item.result,
        ...(url === undefined ? {} : { url }),
        ...(number === undefined ? {} : { number }),
      };
    }
    const asked = await store.ledger({ kind: 'RunRequested', limit: page });
    const note = asked.find((entry) => entry.key === `request/${id}`)?.note;
    return note?.startsWith('refused') === true ? { result: 'NOT_REGISTERED' } : undefined;
  }

  async function numberOf(uuid: string | undefined): Promise<number | undefined> {
    const found = uuid === undefined ? undefined : await store.build(uuid);
    return found?.kind === 'found' ? Row.safeParse(found.row.value).data?.number : undefined;
  }

  return {
    async past(job, limit): Promise<PastBuild[]> {
      const rows = await store.builds({ job, limit });
      return rows.flatMap(({ value }) => {
        const row = Row.safeParse(value).data;
        return row === undefined ? [] : [{ ...row, startedAt: row.startedAt }];
      });
    },
    artifacts: (build, include, exclude) => artifacts(folderOf(build.logPath), include, exclude),
    async tests(build) {
      return (await readManifest(folderOf(build.logPath)))?.['tests'];
    },
    async request({ id, job, params, sealed, upstream, by }) {
      const secret = sealed === undefined ? {} : { sealed: [...sealed] };
      const fact = {
        kind: 'RunRequested',
        at: now(),
        id,
        by,
        job,
        params,
        ...secret,
        upstream,
        vote: false,
      } as const;
      await store.file([{ key: `request/${id}`, fact }]);
    },
    outcome,
  };
}

async function* artifacts(
  folder: string,
  include: readonly string[],
  exclude: readonly string[],
): AsyncIterable<CollectedFile> {
  const wanted = include.map(antPattern);
  const unwanted = exclude.map(antPattern);
  for (const { path, stored, size } of (await readManifest(folder))?.files ?? []) {
    if (stored === 'console.txt.gz') continue;
    if (!wanted.some((pattern) => antMatches(pattern, path))) continue;
    if (unwanted.some((pattern) => antMatches(pattern, path))) continue;
    yield { path, size, content: contentOf(join(folder, stored), stored !== path && stored.endsWith('.gz')) };
  }
}

/** Opened only when somebody reads it. */
async function* contentOf(file: string, packed: boolean): AsyncIterable<Uint8Array> {
  const raw = createReadStream(file);
  yield* packed ? raw.pipe(createGunzip()) : raw;
}
