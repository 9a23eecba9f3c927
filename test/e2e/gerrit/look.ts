import { z } from 'zod';
import { CI_USER } from '../../harness/site.ts';
import type { RealGerrit } from './site.ts';

/** A change as Gerrit's REST interface shows it to people. */

const Who = z.object({ username: z.string().optional() });
const Detail = z.object({
  status: z.string(),
  change_id: z.string(),
  submitted: z.string().optional(),
  current_revision: z.string().optional(),
  labels: z.record(
    z.string(),
    z.object({ all: z.array(Who.extend({ value: z.number().optional() })).optional() }),
  ),
  messages: z.array(
    z.object({
      author: Who.optional(),
      message: z.string(),
      tag: z.string().optional(),
      _revision_number: z.number().optional(),
    }),
  ),
});
export type Detail = z.infer<typeof Detail>;
export type Message = Detail['messages'][number];

export async function detail(gerrit: RealGerrit, number: number): Promise<Detail> {
  return Detail.parse(await gerrit.admin.call('GET', `changes/${number}/detail?o=CURRENT_REVISION`));
}

/** What the CI said on a change, oldest first. */
export async function reports(gerrit: RealGerrit, number: number): Promise<Message[]> {
  const { messages } = await detail(gerrit, number);
  return messages.filter(({ author }) => author?.username === CI_USER);
}

/** The CI's vote; 0 where it has none. */
export async function vote(gerrit: RealGerrit, number: number, label = 'Verified'): Promise<number> {
  const { labels } = await detail(gerrit, number);
  return labels[label]?.all?.find(({ username }) => username === CI_USER)?.value ?? 0;
}

export async function until<T>(
  what: string,
  ready: () => Promise<T | undefined | false>,
  deadline = 60_000,
): Promise<T> {
  for (const end = Date.now() + deadline; ; ) {
    const value = await ready();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`not within ${deadline} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
