import { type Added, add } from '../enqueue.ts';
import type { Pipeline } from '../layout.ts';
import type { Rules } from '../rules.ts';
import type { Draft } from '../world.ts';

export function addRef(
  draft: Draft,
  rules: Rules,
  pipeline: Pipeline,
  ref: { connection: string; project: string; ref: string; oldRev: string; newRev: string },
): Added {
  return add(draft, rules, pipeline, { kind: 'ref', ...ref });
}
