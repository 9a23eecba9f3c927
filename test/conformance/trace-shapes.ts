import { z } from 'zod';

/** The steps of a trace and their arguments, with the README’s defaults. */

const n = z.union([z.number(), z.string()]).transform(String);
const list = z.array(z.union([z.number(), z.string()]));
const parent = z
  .tuple([n, n])
  .nullish()
  .transform((pair) => pair ?? undefined);
export const shapes = {
  change: z.object({
    n,
    project: z.string(),
    branch: z.string().optional(),
    files: z.array(z.string()).optional(),
    token: z.string().nullish(),
    parent,
    depends: list.default([]),
    status: z.enum(['NEW', 'MERGED', 'ABANDONED']).optional(),
    cid: z.string().optional(),
  }),
  created: z.object({ n, ps: n.optional() }),
  patchset: z.object({
    n,
    files: z.array(z.string()).optional(),
    parent: z.tuple([n, n]).nullish(),
    depends: list.optional(),
    event: z.boolean().default(true),
  }),
  vote: z.object({
    n,
    label: z.string(),
    value: z.number(),
    user: z.string().default('reviewer_john'),
    age: z.number().default(0),
    event: z.boolean().default(true),
    comment: z.string().default(''),
  }),
  comment: z.object({
    n,
    text: z.string(),
    ps: n.optional(),
    user: z.string().default('author_phil'),
  }),
  abandon: z.object({ n }),
  restore: z.object({ n }),
  depends: z.object({ n, depends: list }),
  failmerge: z.object({ n, on: z.boolean().default(true) }),
  extmerge: z.object({ n, event: z.boolean().default(false) }),
  refupdate: z.object({ project: z.string(), ref: z.string(), old: z.string(), new: z.string() }),
  finish: z.object({
    job: z.string(),
    changes: z.string().nullish(),
    pipeline: z.string().optional(),
    result: z.string().nullable().default('SUCCESS'),
  }),
  reconfigure: z.object({ layout: z.string().optional() }),
  promote: z.object({ pipeline: z.string(), changes: z.array(z.string()) }),
  enqueue: z.object({ pipeline: z.string(), project: z.string(), change: z.string() }),
  enqueue_ref: z.object({
    pipeline: z.string(),
    project: z.string(),
    ref: z.string(),
    old: z.string(),
    new: z.string(),
  }),
  timer: z.object({ pipeline: z.string(), timespec: z.string() }),
  unregister: z.object({ job: z.string(), on: z.boolean().default(true) }),
  advance: z.object({ seconds: z.number() }),
  clearcache: z.object({}),
};
