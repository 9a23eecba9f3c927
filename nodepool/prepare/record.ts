import { z } from 'zod';

/** What preparing writes down: the images it made, and how each preparation went. Times are ms since the epoch. */

const Ms = z.number();

/**
 *     saving → ready → deleting → (no record)
 *        └→ deleting      └→ unusable → deleting
 *
 * The record, with the image's name, is written before the provider is asked to save anything, and dropped after the image is
 * known to be gone: an image of our site that no record knows is nobody's.
 */
export const ImageState = z.discriminatedUnion('phase', [
  z.object({ phase: z.literal('saving') }),
  /** The provider has it. `image`: how it is called in an order. */
  z.object({ phase: z.literal('ready'), image: z.string() }),
  /** It could not be booted: its label uses an older one, or its base image. */
  z.object({ phase: z.literal('unusable'), reason: z.string() }),
  z.object({ phase: z.literal('deleting'), reason: z.string() }),
]);

export const ImageRecord = z.object({
  /** Ten digits, from the same row as nodes. */
  id: z.string(),
  label: z.string(),
  provider: z.string(),
  /** Its name at the provider, never given twice. */
  name: z.string(),
  /** The image it was made from, as nodepool.yaml names it: with another one there it is of no use any more. */
  base: z.string(),
  /** sha256 of all that `prepare:` asks for, scripts included; another one: it is out of date, and used until a newer one is there. */
  digest: z.string(),
  at: Ms,
  state: ImageState,
});
export type ImageRecord = z.infer<typeof ImageRecord>;

export const PreparationState = z.discriminatedUnion('phase', [
  /** For its machine. */
  z.object({ phase: z.literal('waiting') }),
  z.object({ phase: z.literal('preparing') }),
  z.object({ phase: z.literal('saving') }),
  /** `image`: the record of what was saved. */
  z.object({ phase: z.literal('done'), image: z.string().optional() }),
  z.object({ phase: z.literal('failed'), reason: z.string() }),
]);

/** One machine that is prepared: a new one, whose disk becomes an image, or a host that stays. */
export const PreparationRecord = z.object({
  /** Ten digits. */
  id: z.string(),
  label: z.string(),
  provider: z.string(),
  /** Of machines that are always there. */
  host: z.string().optional(),
  snapshot: z.boolean(),
  /** The machine is held afterwards. */
  keep: z.boolean(),
  by: z.string(),
  at: Ms,
  /** When it ended. */
  until: Ms.optional(),
  state: PreparationState,
  /** What happened, the last of it; `n` counts from 1. */
  lines: z.array(z.object({ n: z.int(), at: Ms, text: z.string() })),
});
export type PreparationRecord = z.infer<typeof PreparationRecord>;

export function isOver({ state }: PreparationRecord): boolean {
  return state.phase === 'done' || state.phase === 'failed';
}
