import { z } from 'zod';

/** What `nodepool.yaml` says, as text: it is stored with the configuration it belongs to, and read where the launcher runs. */
export const PoolFiles = z.object({
  /** Its name, for problems. */
  name: z.string(),
  text: z.string(),
  /** Scripts by the path that the file has; those that were not there are left out. */
  scripts: z.record(z.string(), z.string()),
});
export type PoolFiles = z.infer<typeof PoolFiles>;

/** No file at all: this machine alone. */
export const noFiles: PoolFiles = { name: 'nodepool.yaml', text: '', scripts: {} };
