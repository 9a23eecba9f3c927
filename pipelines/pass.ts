import { subjectKey } from './item.ts';
import type { Pipeline } from './layout.ts';
import { mustItem, mustQueue } from './queue.ts';
import type { Rules } from './rules.ts';
import type { Draft } from './world.ts';

/** What the items of one pass ask about their queue again and again. */
export interface Pass {
  readonly rules: Rules;
  readonly pipeline: Pipeline;
  readonly queue: string;
  /** subject → item; made when somebody needs something. */
  inside: Map<string, string> | undefined;
}

export function insideOf(draft: Draft, pass: Pass): Map<string, string> {
  if (pass.inside !== undefined) return pass.inside;
  const inside = new Map<string, string>();
  for (const id of mustQueue(draft, pass.queue).items) {
    const key = subjectKey(mustItem(draft, id).subject);
    if (!inside.has(key)) inside.set(key, id);
  }
  pass.inside = inside;
  return inside;
}
