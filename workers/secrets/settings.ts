import { z } from 'zod';

/** One secret of the site: where it lies, and who may have it. */
export const SecretRule = z
  .strictObject({
    file: z.string().min(1).optional().describe('A file that only its owner can read.'),
    env: z
      .string()
      .regex(/^[A-Za-z_]\w*$/, 'expected the name of a variable')
      .optional()
      .describe('A variable of the environment Stackgate runs in.'),
    store: z
      .literal(true)
      .optional()
      .describe('It lies in the encrypted file; `stackgate secret set NAME` puts it there.'),
    as: z
      .enum(['text', 'file'])
      .default('text')
      .describe('How jobs get it: as a text, or as a file on the node.'),
    jobs: z
      .array(z.string().min(1))
      .min(1, 'name at least one job, or leave the secret out')
      .describe('Names of the jobs that may have it.'),
    pipelines: z
      .array(z.string().min(1))
      .min(1, 'name at least one pipeline, or leave the secret out')
      .describe(
        "Pipelines in which they may. A check pipeline runs strangers' patches: whoever can push one can then read the secret. `run` stands for `stackgate run`.",
      ),
  })
  .refine((rule) => [rule.file, rule.env, rule.store].filter((place) => place !== undefined).length === 1, {
    message: 'say where it lies: exactly one of `file`, `env` and `store`',
  });
export type SecretRule = z.infer<typeof SecretRule>;

export interface SecretSettings {
  /** By the name jobs use. Paths are absolute. */
  readonly rules: Readonly<Record<string, SecretRule>>;
  readonly store: StorePlace;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The encrypted file and the key that opens it; absolute paths. */
export interface StorePlace {
  readonly file: string;
  readonly key: string;
}
