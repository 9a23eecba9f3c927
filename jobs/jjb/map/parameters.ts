import { RE2JS } from 're2js';
import type { Component } from '../macros.ts';
import { isList, pythonText } from '../python.ts';
import { listOf, lookUp, textOf } from './options.ts';
import { type Report, readFlag } from './report.ts';

/** Options of each kind; those that only shape Jenkins' form are known and mean nothing. */
const COMMON = ['name', 'default', 'description', 'trim'];
const KINDS: Readonly<Record<string, readonly string[]>> = {
  string: [],
  text: [],
  password: [],
  bool: [],
  hidden: [],
  choice: ['choices'],
  label: ['all-nodes', 'matching-label', 'node-eligibility'],
  node: [
    'default-slaves',
    'default-nodes',
    'allowed-slaves',
    'allowed-nodes',
    'ignore-offline-nodes',
    'allowed-multiselect',
  ],
  credentials: ['type', 'required', 'allowed'],
  'validating-string': ['regex', 'msg'],
  'extended-choice': [
    'type',
    'value',
    'visible-items',
    'multi-select-delimiter',
    'quote-value',
    'default-value',
    'value-description',
  ],
};

export interface Parameter {
  readonly name: string;
  /** The text it has when nobody sets it. */
  readonly value: string;
  readonly secret: boolean;
  /** Its default says where the job runs (the NodeLabel plug-in). */
  readonly node: boolean;
}

export function mapParameter(part: Component, report: Report): Parameter | undefined {
  const own = lookUp(KINDS, part.name);
  if (own === undefined) {
    report.unsupported('parameter', part.name, part.at, part);
    return undefined;
  }
  const options = report.options('parameter', part, [...COMMON, ...own]);
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
  const value = defaultOf(part.name, options);
  if (part.name === 'validating-string') validate(part, textOf(options['regex']) ?? '', value, report);
  return {
    name,
    value,
    secret: part.name === 'password',
    node: (part.name === 'label' || part.name === 'node') && value !== '',
  };
}

function defaultOf(kind: string, options: Readonly<Record<string, unknown>>): string {
  if (kind === 'node') return listOf(options['default-slaves'] ?? options['default-nodes'])[0] ?? '';
  const value = options['default'] ?? options['default-value'];
  if (kind === 'bool') return String(readFlag(value, false));
  if (value !== undefined && value !== null)
    return typeof value === 'boolean' ? String(value) : pythonText(value);
  const choices = options['choices'];
  const first = kind === 'choice' && isList(choices) ? choices[0] : undefined;
  return first === undefined || first === null ? '' : pythonText(first);
}

/** Only the default is known here; a value that a person gives is the person's. */
function validate(part: Component, pattern: string, value: string, report: Report): void {
  const at = report.placeIn(part, 'regex');
  try {
    if (pattern === '' || RE2JS.matches(pattern, value)) return;
    const message = `The default ${JSON.stringify(value)} does not match ${JSON.stringify(pattern)}.`;
    report.error('parameter-default', message, report.placeIn(part, 'default') ?? at, undefined, part);
  } catch (caught) {
    const why = caught instanceof Error ? caught.message : 'it cannot be read';
    report.error(
      'parameter-default',
      `${JSON.stringify(pattern)} is no pattern: ${why}`,
      at,
      undefined,
      part,
    );
  }
}
