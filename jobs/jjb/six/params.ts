import { type FormatContext, FormatMistake, formatTree } from '../format.ts';
import type { Dict } from '../python.ts';

/**
 * Since JJB 5 parameters may use each other to any depth: each is formatted when another one, or the template, asks for
 * it. They lie behind getters, so that substitution and Jinja templates need not know.
 */

/** Parameters that format themselves; `context` says where a mistake was made. Reading one may throw FormatMistake. */
export function lazyParams(raw: Dict, context: Omit<FormatContext, 'params'>): FormatContext {
  const done = new Map<string, unknown>();
  const waiting: string[] = [];
  const params: Record<string, unknown> = {};
  const shared: FormatContext = { ...context, params };
  const read = (name: string): unknown => {
    if (done.has(name)) return done.get(name);
    if (waiting.includes(name)) {
      const circle = [...waiting.slice(waiting.indexOf(name)), name].join(' → ');
      throw new FormatMistake('format', `The parameters use each other in a circle: ${circle}.`);
    }
    const { node, key } = shared;
    waiting.push(name);
    shared.node = raw;
    shared.key = name;
    // A template's own name is told as it is written.
    const value = name === 'template-name' ? raw[name] : formatTree(raw[name], shared);
    waiting.pop();
    if (node !== undefined) shared.node = node;
    shared.key = key;
    done.set(name, value);
    return value;
  };
  for (const name of Object.keys(raw))
    Object.defineProperty(params, name, { enumerable: true, get: () => read(name) });
  return shared;
}

/** All of them, the name first, as JJB does it. */
export function readAll(params: Dict): Dict {
  return { ...(Object.hasOwn(params, 'name') ? { name: params['name'] } : {}), ...params };
}
