/**
 * Python's `str.format` as far as layouts use it: `{change.number}`, `{build.parameters[LOG_PATH]}`, `{{`. A name that does not
 * exist, or a format specification, makes the whole text unusable (undefined), as it made Zuul fall back.
 */
export function pythonFormat(text: string, values: Readonly<Record<string, unknown>>): string | undefined {
  let out = '';
  let at = 0;
  while (at < text.length) {
    const char = text[at];
    if (char === '{' || char === '}') {
      if (text[at + 1] === char) {
        out += char;
        at += 2;
        continue;
      }
      if (char === '}') return undefined;
      const end = text.indexOf('}', at);
      if (end < 0) return undefined;
      const value = lookUp(text.slice(at + 1, end), values);
      if (value === undefined) return undefined;
      out += value;
      at = end + 1;
      continue;
    }
    out += char;
    at += 1;
  }
  return out;
}

function lookUp(path: string, values: Readonly<Record<string, unknown>>): string | undefined {
  const steps = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[[^\][{}]+\])*$/.test(path)
    ? (path.match(/[A-Za-z_]\w*(?![^[]*\])|(?<=\[)[^\]]+/g) ?? [])
    : [];
  if (steps.length === 0) return undefined;
  let value: unknown = values;
  for (const step of steps) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = Reflect.get(value, step);
  }
  if (value === null) return 'None';
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
