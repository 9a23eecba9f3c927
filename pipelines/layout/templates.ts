import { type At, error, meant, type Reading } from './reading.ts';

/** Project templates: Python's `str.format`, as much of it as layouts use: `{name}` and doubled braces. */

export type Format = readonly (string | { readonly parameter: string })[];

/** The most characters a name may get: templates in templates could otherwise write gigabytes. */
const LONGEST_NAME = 2_000;

/** The parts of a format, or why it is none. */
export function parseFormat(text: string): Format | { readonly reason: string } {
  if (!/[{}]/.test(text)) return [text];
  const parts: (string | { parameter: string })[] = [];
  let literal = '';
  for (let i = 0; i < text.length; i++) {
    const letter = text.charAt(i);
    if ((letter === '{' || letter === '}') && text.charAt(i + 1) === letter) {
      literal += letter;
      i += 1;
    } else if (letter === '}') {
      return { reason: 'a single "}" stands in it; write "}}" for the brace itself' };
    } else if (letter === '{') {
      const end = text.indexOf('}', i);
      if (end < 0) return { reason: 'a single "{" stands in it; write "{{" for the brace itself' };
      const parameter = text.slice(i + 1, end);
      if (/[{!:[.]/.test(parameter))
        return { reason: `"{${parameter}}" is more than the name of a parameter` };
      parts.push(literal, { parameter });
      literal = '';
      i = end;
    } else {
      literal += letter;
    }
  }
  parts.push(literal);
  return parts.filter((part) => part !== '');
}

/** The text with its parameters filled in; undefined after a problem was reported at the template's text. */
export function fill(
  reading: Reading,
  at: At,
  format: Format | undefined,
  parameters: ReadonlyMap<string, string>,
  project: string,
): string | undefined {
  if (format === undefined) return undefined;
  let filled = '';
  for (const part of format) {
    if (typeof part === 'string') {
      filled += part;
      continue;
    }
    const value = parameters.get(part.parameter);
    if (value === undefined) {
      const parameter = JSON.stringify(part.parameter);
      return error(
        reading,
        at,
        'missing-parameter',
        `The name of this job needs the parameter ${parameter}, which the project ${project} does not give.`,
        { hint: meant(part.parameter, parameters.keys()) },
      );
    }
    filled += value;
  }
  if (filled.length <= LONGEST_NAME) return filled;
  return error(
    reading,
    at,
    'job-name',
    `A name of ${filled.length} characters comes out of it for the project ${project}.`,
  );
}
