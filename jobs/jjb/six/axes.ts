import { Deferred, type FormatContext, fieldsOf, formatTree } from '../format.ts';
import { type Dict, isDict, isList, pythonEqual } from '../python.ts';

/**
 * Since JJB 5 every parameter that a template's name uses is an axis when its value is a list, wherever that value comes
 * from: the defaults and a text after `|` included.
 */
export type Axis = readonly [key: string, values: readonly unknown[]];

export function axesOf(name: string, params: Dict, context: FormatContext): Axis[] {
  const axes = new Map<string, Axis>();
  for (const { name: key, fallback } of fieldsOf(name)) {
    if (axes.has(key)) continue;
    const written = Object.hasOwn(params, key) ? params[key] : fallback;
    // Another axis may bring it.
    if (written === undefined) continue;
    const value = opened(written, context);
    axes.set(key, [key, isList(value) ? value : [value]]);
  }
  return [...axes.values()];
}

/** Includes and Jinja templates opened, texts left as they are: they are formatted with the axes chosen. */
function opened(value: unknown, context: FormatContext): unknown {
  if (value instanceof Deferred) return formatTree(value, context);
  return isList(value) && value.some((item) => item instanceof Deferred)
    ? value.map((item) => opened(item, context))
    : value;
}

export type Excluded =
  | { readonly kind: 'no' | 'yes' }
  | { readonly kind: 'wrong'; readonly index: number; readonly message: string };

/** One of the maps of `exclude:` fits. A key that is no parameter is a mistake, since it would never exclude anything. */
export function excluded(params: Dict): Excluded {
  const excludes = params['exclude'];
  if (!isList(excludes)) return { kind: 'no' };
  for (const [index, exclude] of excludes.entries()) {
    if (!isDict(exclude) || Object.keys(exclude).length === 0)
      return { kind: 'wrong', index, message: 'An item of "exclude:" must be a mapping of axes to values.' };
    const unknown = Object.keys(exclude).find((key) => !Object.hasOwn(params, key));
    if (unknown !== undefined)
      return { kind: 'wrong', index, message: `"exclude:" names ${unknown}, which is no parameter.` };
    if (Object.entries(exclude).every(([key, value]) => pythonEqual(value, params[key])))
      return { kind: 'yes' };
  }
  return { kind: 'no' };
}
