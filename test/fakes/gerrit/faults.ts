import { isJson, type Json } from './attributes.ts';

/** How old and broken servers write their JSON. */

const NUMBERS = new Set(['number', 'cherryPickOfChange', 'cherryPickOfPatchSet']);

/** A copy with the numbers of changes and patch sets as strings. */
export function withStringNumbers(value: Json): Json {
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      NUMBERS.has(key) && typeof inner === 'number' ? String(inner) : convert(inner),
    ]),
  );
}

function convert(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(convert);
  return isJson(value) ? withStringNumbers(value) : value;
}

/** A copy without the fields that the dotted paths name. */
export function withoutFields(value: Json, paths: readonly string[]): Json {
  const copy = structuredClone(value);
  for (const path of paths) {
    const names = path.split('.');
    const last = names.pop();
    let at: unknown = copy;
    for (const name of names) {
      at = isJson(at) ? at[name] : undefined;
    }
    if (last !== undefined && isJson(at)) Reflect.deleteProperty(at, last);
  }
  return copy;
}
