import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { MergeAction } from '../../../pipelines/action.ts';
import { urlSource } from '../../../workers/git/source.ts';
import { createMerger } from '../../../workers/merger.ts';

/** One merge in a process of its own, which a test may kill: the question on stdin, the answer on stdout. */
const Input = z.object({ dir: z.string(), upstream: z.string(), action: MergeAction });
const { dir, upstream, action } = Input.parse(JSON.parse(await text(process.stdin)));
const merger = createMerger({
  dir,
  sources: { gerrit: urlSource(upstream) },
  url: () => 'http://localhost/p',
});
process.stdout.write(JSON.stringify(await merger.merge(action, AbortSignal.timeout(20_000))));
await merger[Symbol.asyncDispose]();
