import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';

/** The recorded traces as the conformance README describes them. */

export const Step = z.looseObject({ op: z.string() });
export type Step = z.infer<typeof Step>;

const Out = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('launch'),
    build: z.string(),
    job: z.string(),
    pipeline: z.string(),
    changes: z.string().nullable(),
    params: z.record(z.string(), z.string()).optional(),
  }),
  z.object({
    kind: z.literal('cancel'),
    build: z.string(),
    job: z.string(),
    changes: z.string().nullable(),
  }),
  z.object({
    kind: z.literal('report'),
    change: z.string(),
    action: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])),
    message: z.string(),
    connection: z.string(),
  }),
  z.object({ kind: z.literal('merged'), change: z.string() }),
  z.object({
    kind: z.literal('mail'),
    subject: z.string(),
    to: z.string(),
    sender: z.string(),
    message: z.string(),
  }),
  z.object({ kind: z.literal('exception'), where: z.string(), error: z.string() }),
  z.object({ kind: z.literal('merge') }),
  z.object({ kind: z.literal('update') }),
  z.object({ kind: z.literal('nomatch') }),
]);
export type Out = z.infer<typeof Out>;

const StateItem = z.object({
  id: z.string().nullable(),
  project: z.string(),
  live: z.boolean(),
  active: z.boolean(),
  ahead: z.string().nullable(),
  failing: z.array(z.string()),
  builds: z.record(z.string(), z.string().nullable()),
});
const StateQueue = z.object({
  pipeline: z.string(),
  queue: z.string(),
  window: z.number(),
  items: z.array(StateItem),
});
export type StateQueue = z.infer<typeof StateQueue>;

const Entry = z.object({ out: z.array(Out), state: z.array(StateQueue) });
export type Entry = z.infer<typeof Entry>;

const Trace = z.object({
  name: z.string(),
  note: z.string().optional(),
  layout: z.string(),
  steps: z.array(Step),
  trace: z.array(Entry),
  final: z.record(z.string(), z.string()),
});
export type Trace = z.infer<typeof Trace>;

/** Traces of a folder of JSON files, or of one `.jsonl.gz` whose layouts lie in `layouts` (its own folder). */
export function readTraces(input: string, layouts = dirname(input)): Trace[] {
  if (statSync(input).isDirectory()) {
    return readdirSync(input)
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => Trace.parse(JSON.parse(readFileSync(join(input, name), 'utf8'))));
  }
  const bytes = readFileSync(input);
  const text = (input.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Trace.parse(JSON.parse(line)))
    .map((trace) => ({ ...trace, layout: layoutText(trace.layout, layouts) }));
}

function layoutText(layout: string, folder: string): string {
  return layout.includes('\n') ? layout : readFileSync(join(folder, layout), 'utf8');
}
