import { z } from 'zod';
import type { HistoryRow } from '../pipelines/ports.ts';
import { buildOf } from './builds.ts';
import type { ChangeView, PastItem, ReportView } from './contract.ts';
import type { ServerPorts } from './ports.ts';
import { Refusal } from './problem.ts';
import { itemsOf, type Snapshots } from './snapshot.ts';

/** A change with all its turns, from the queues of now and the history. */

const text = z.string().nullish();
const time = z.number().nullish();

/** What the kernel writes into the history of items and reports (pipelines/history.ts). */
const StoredItem = z.object({
  id: z.string(),
  pipeline: z.string(),
  project: text,
  change: text,
  branch: text,
  result: z.string(),
  detail: text,
  enqueuedAt: time,
  by: text,
  subject: text,
  owner: text,
  changeUrl: text,
  builds: z
    .array(z.object({ job: z.string(), uuid: text, result: z.string(), startedAt: time, finishedAt: time }))
    .default([]),
});

const StoredReport = z.object({
  pipeline: z.string(),
  change: z.string(),
  phase: z.string(),
  message: z.string(),
  labels: z.record(z.string(), z.number()).default({}),
  submit: z.boolean().default(false),
  result: z.string(),
  detail: text,
});

const most = { items: 100, reports: 100, builds: 200 };

export async function changeView(
  { history }: Pick<ServerPorts, 'history'>,
  snapshot: Snapshots,
  change: string,
): Promise<ChangeView> {
  const [number = '', patchset] = change.split(',');
  const [{ status }, items, reports, builds] = await Promise.all([
    snapshot(),
    history.items({ change, limit: most.items }),
    history.reports({ change, limit: most.reports }),
    history.builds({ change, limit: most.builds }),
  ]);
  const live = itemsOf(status).filter(
    ({ item: { id } }) => id === change || (patchset === undefined && id?.startsWith(`${number},`) === true),
  );
  const past = items.map((row) => StoredItem.parse(row.value));
  if (live.length + past.length + builds.length + reports.length === 0) {
    throw new Refusal(
      404,
      'unknown-change',
      `nothing is known of change ${change}`,
      'it was never in a queue here, or longer ago than the history goes',
    );
  }
  const item = live.at(-1)?.item;
  const newest = past[0];
  return {
    number,
    patchset: patchset ?? null,
    project: item?.project ?? newest?.project ?? null,
    branch: item?.branch ?? newest?.branch ?? null,
    subject: item?.subject ?? newest?.subject ?? null,
    owner: item?.owner?.name ?? newest?.owner ?? null,
    url: item?.url ?? newest?.changeUrl ?? null,
    live,
    past: past.map((stored, at) => pastItem(stored, items[at])),
    reports: reports.map(reportView),
    builds: builds.map((row) => buildOf(row).build),
  };
}

function pastItem(stored: z.infer<typeof StoredItem>, row: HistoryRow | undefined): PastItem {
  return {
    id: stored.id,
    pipeline: stored.pipeline,
    change: stored.change ?? null,
    result: stored.result,
    detail: stored.detail ?? null,
    enqueuedAt: stored.enqueuedAt ?? null,
    at: row?.at ?? 0,
    by: stored.by ?? null,
    builds: stored.builds.map(({ job, uuid, result, startedAt, finishedAt }) => ({
      job,
      uuid: uuid ?? null,
      result,
      startedAt: startedAt ?? null,
      finishedAt: finishedAt ?? null,
    })),
  };
}

function reportView(row: HistoryRow): ReportView {
  const { detail, ...stored } = StoredReport.parse(row.value);
  return { ...stored, at: row.at, detail: detail ?? null };
}
