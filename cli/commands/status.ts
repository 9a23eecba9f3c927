import { z } from 'zod';
import type { Client } from '../client.ts';
import { duration, printable } from '../text.ts';

/** Zuul v2's status.json, as far as a terminal shows it. */
const StatusJob = z.looseObject({
  name: z.string(),
  result: z.string().nullable(),
  elapsed_time: z.number().nullable().optional(),
  start_time: z.number().nullable().optional(),
  voting: z.boolean().optional(),
});
const StatusItem = z.looseObject({
  id: z.string().nullable(),
  project: z.string(),
  live: z.boolean(),
  active: z.boolean(),
  failing_reasons: z.array(z.string()),
  enqueue_time: z.number(),
  jobs: z.array(StatusJob),
});
const Status = z.looseObject({
  pipelines: z.array(
    z.looseObject({
      name: z.string(),
      change_queues: z.array(
        z.looseObject({ name: z.string(), window: z.number(), heads: z.array(z.array(StatusItem)) }),
      ),
    }),
  ),
});

export async function showStatus(client: Client, json: boolean): Promise<number> {
  const status = await client.get('/status.json', Status);
  process.stdout.write(json ? `${JSON.stringify(status)}\n` : statusText(status, Date.now()));
  return 0;
}

export function statusText(status: z.infer<typeof Status>, now: number): string {
  const lines: string[] = [];
  for (const pipeline of status.pipelines) {
    const queues = pipeline.change_queues.filter((queue) => queue.heads.some((head) => head.length > 0));
    const items = queues.flatMap((queue) => queue.heads.flat());
    lines.push(`${printable(pipeline.name)}: ${items.filter((item) => item.live).length} items`);
    for (const queue of queues) {
      if (queue.heads.length > 1 || (queue.heads[0]?.length ?? 0) > 1)
        lines.push(`  queue ${printable(queue.name)}${queue.window > 0 ? `, window ${queue.window}` : ''}`);
      for (const item of queue.heads.flat()) lines.push(...itemLines(item, now));
    }
  }
  return `${lines.join('\n')}\n`;
}

function itemLines(item: z.infer<typeof StatusItem>, now: number): string[] {
  const marks = [
    item.live ? '' : 'dependency',
    item.active || !item.live ? '' : 'outside the window',
    ...item.failing_reasons,
  ].filter((mark) => mark !== '');
  const head = `  ${item.id ?? 'ref'} ${item.project}, ${duration(now - item.enqueue_time)}${marks.length === 0 ? '' : ` (${marks.join('; ')})`}`;
  const jobs = item.jobs.map((job) => {
    const state =
      job.result ??
      (typeof job.start_time === 'number' ? `running ${duration(job.elapsed_time ?? 0)}` : 'waiting');
    return `    ${job.name}: ${state}${job.voting === false ? ' (non-voting)' : ''}`;
  });
  return [head, ...jobs].map(printable);
}
