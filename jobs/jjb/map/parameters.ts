import type { Component } from '../macros.ts';
import { isList, pythonText } from '../python.ts';
import { type Report, readFlag } from './report.ts';

const KINDS = new Set(['string', 'text', 'password', 'choice', 'bool', 'label']);
const OPTIONS = ['name', 'default', 'description', 'choices', 'trim'];
/** Options of a label parameter that choose among Jenkins' nodes; nodes are chosen by `node` here. */
const LABEL_OPTIONS = ['all-nodes', 'matching-label', 'node-eligibility'];

/** A parameter's name and the text it has when nobody sets it. */
export function mapParameter(part: Component, report: Report): readonly [string, string][] | undefined {
  if (!KINDS.has(part.name)) {
    report.unsupported('parameter', part.name, part.at, part);
    return undefined;
  }
  const options = report.options(
    'parameter',
    part,
    part.name === 'label' ? [...OPTIONS, ...LABEL_OPTIONS] : OPTIONS,
  );
  const name = pythonText(options['name'] ?? '');
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    const message = `A parameter needs a "name:" that can be a variable, not ${JSON.stringify(name)}.`;
    report.error(
      'parameter-name',
      message,
      report.placeIn(part, 'name'),
      'Use letters, digits and "_".',
      part,
    );
    return undefined;
  }
  return [[name, defaultOf(part.name, options)]];
}

function defaultOf(kind: string, options: Readonly<Record<string, unknown>>): string {
  const value = options['default'];
  if (kind === 'bool') return String(readFlag(value, false));
  if (value !== undefined && value !== null)
    return typeof value === 'boolean' ? String(value) : pythonText(value);
  const choices = options['choices'];
  const first = kind === 'choice' && isList(choices) ? choices[0] : undefined;
  return first === undefined || first === null ? '' : pythonText(first);
}
