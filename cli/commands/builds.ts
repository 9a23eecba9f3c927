import { BuildPage, type BuildQuery, type BuildView } from '../../server/contract.ts';
import type { Client } from '../client.ts';
import { duration, moment, table } from '../text.ts';

export async function listBuilds(client: Client, query: Partial<BuildQuery>, json: boolean): Promise<number> {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, String(value));
  const page = await client.get(`/api/v1/builds?${search.toString()}`, BuildPage);
  process.stdout.write(`${json ? JSON.stringify(page) : buildTable(page.builds)}\n`);
  return 0;
}

export function buildTable(builds: readonly BuildView[]): string {
  const rows = builds.map((build) => [
    build.uuid.slice(0, 7),
    build.change ?? build.ref ?? '-',
    build.pipeline,
    build.job,
    build.result ?? build.state,
    moment(build.startedAt),
    build.startedAt === null ? '-' : duration((build.finishedAt ?? Date.now()) - build.startedAt),
    build.url ?? '-',
  ]);
  return table(['BUILD', 'CHANGE', 'PIPELINE', 'JOB', 'RESULT', 'STARTED (UTC)', 'TIME', 'LOG'], rows);
}
