import { RE2JS } from 're2js';
import { z } from 'zod';
import type { PublisherOf } from '../../jobs/definition/publisher.ts';
import type { Publish, Publishing } from './publishing.ts';

const Found = z.object({ where: z.string().optional() });
type Found = z.infer<typeof Found>;

/** Bytes of one line that are looked at, and of all lines of a build together. */
const longestLine = 64 * 1024;
const mostText = 256 * 1024 * 1024;

/** Looks for a pattern in files and in the console, and lets a find decide about the build. */
export const publishTextFinder: Publish<'text-finder'> = async (publisher, publishing) => {
  // Written down, because the console that is looked through grows by our own words.
  const { where } = await publishing.once('text-finder', Found, () => find(publisher, publishing));
  const what = JSON.stringify(publisher.pattern);
  if (where === undefined) {
    await publishing.say(`Text finder: ${what} is nowhere`);
    return;
  }
  await publishing.say(`Text finder: found ${what} in ${where}`);
  const detail = `${what} was found in ${where}`;
  if (publisher.result === 'SUCCESS') publishing.replace({ result: 'SUCCESS' });
  else publishing.worsen(publisher.result, detail);
};

async function find(publisher: PublisherOf<'text-finder'>, publishing: Publishing): Promise<Found> {
  const pattern = RE2JS.compile(publisher.pattern);
  const budget = { left: mostText };
  if (publisher.console && (await foundIn(publishing.console(), pattern, budget)))
    return { where: 'the console' };
  if (publisher.include.length === 0) return {};
  for await (const file of publishing.collect(publisher.include, [])) {
    if (await foundIn(file.content, pattern, budget)) return { where: file.path };
  }
  return {};
}

async function foundIn(
  content: AsyncIterable<Uint8Array>,
  pattern: RE2JS,
  budget: { left: number },
): Promise<boolean> {
  const decoder = new TextDecoder();
  let rest = '';
  const inLine = (line: string) => pattern.matcher(line.slice(0, longestLine)).find();
  for await (const chunk of content) {
    budget.left -= chunk.length;
    if (budget.left <= 0) return false;
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = (lines.pop() ?? '').slice(0, longestLine);
    if (lines.some(inLine)) return true;
  }
  return rest !== '' && inLine(rest);
}
