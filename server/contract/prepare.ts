import { z } from 'zod';

/** Machines that are prepared, and the images made of them. Times are ms since the epoch. */

export const PreparationView = z.object({
  /** Ten digits. */
  id: z.string(),
  label: z.string(),
  provider: z.string(),
  /** Of machines that are always there. */
  host: z.string().optional(),
  /** Its disk becomes an image. */
  snapshot: z.boolean(),
  /** It is held afterwards. */
  keep: z.boolean(),
  by: z.string(),
  at: z.number(),
  until: z.number().optional(),
  state: z.object({
    phase: z.enum(['waiting', 'preparing', 'saving', 'done', 'failed']),
    reason: z.string().optional(),
    /** Number of the image. */
    image: z.string().optional(),
  }),
  /** What it said, the last of it; `n` counts from 1. */
  lines: z.array(z.object({ n: z.number(), at: z.number(), text: z.string() })),
});
export type PreparationView = z.infer<typeof PreparationView>;
export const Preparations = z.object({ preparations: z.array(PreparationView) });

export const PreparedImageView = z.object({
  id: z.string(),
  label: z.string(),
  provider: z.string(),
  /** Its name at the provider. */
  name: z.string(),
  /** The image it was made from. */
  base: z.string(),
  /** sha256 of what was asked for. */
  digest: z.string(),
  at: z.number(),
  state: z.object({
    phase: z.enum(['saving', 'ready', 'unusable', 'deleting']),
    reason: z.string().optional(),
    /** How an order names it. */
    image: z.string().optional(),
  }),
});
export type PreparedImageView = z.infer<typeof PreparedImageView>;
export const PreparedImages = z.object({ images: z.array(PreparedImageView) });

export const PrepareRequest = z.strictObject({
  label: z.string().min(1),
  provider: z.string().min(1).optional(),
  snapshot: z.boolean().default(true),
  keep: z.boolean().default(false),
});
export type PrepareRequest = z.infer<typeof PrepareRequest>;

export const PrepareStarted = z.object({
  preparations: z.array(PreparationView),
  /** Providers that were left out, and why. */
  remarks: z.array(z.string()),
});
