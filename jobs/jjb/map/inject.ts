import type { Builder } from '../../definition.ts';
import type { Component } from '../macros.ts';
import { textOf } from './options.ts';
import { type Report, readFlag } from './report.ts';

const KEEP = ['keep-system-variables', 'keep-build-variables', 'enabled'];
const OPTIONS = ['properties-file', 'properties-content', 'script-file', 'script-content', ...KEEP];

export interface Injected {
  /** Plain values, known before the build begins. */
  readonly variables: [string, string][];
  /** What only the node can tell: files, scripts, values made of other variables. First of all steps. */
  readonly steps: readonly Builder[];
}

/** Variables for a whole build: EnvInject's wrapper and property. A file or a script is one of the node's. */
export function mapInject(kind: string, part: Component, report: Report): Injected {
  const options = report.options(kind, part, OPTIONS);
  for (const key of KEEP) {
    if (!readFlag(options[key], true)) {
      report.unsupported(`${kind}-option`, `inject.${key}: false`, report.placeIn(part, key), part);
    }
  }
  const steps: Builder[] = [];
  const file = textOf(options['properties-file']) ?? '';
  const content = textOf(options['properties-content']) ?? '';
  const variables = file === '' ? plainOf(content) : undefined;
  if (variables === undefined) steps.push({ kind: 'inject', content, ...(file === '' ? {} : { file }) });
  const script = textOf(options['script-content']) ?? '';
  const path = textOf(options['script-file']) ?? '';
  if (path !== '')
    steps.push({ kind: 'shell', script: `#!/bin/sh\nexec /bin/sh -xe '${path.replaceAll("'", `'\\''`)}'\n` });
  if (script !== '') steps.push({ kind: 'shell', script });
  return { variables: variables ?? [], steps };
}

/** Undefined when a line is more than `NAME=value`. */
function plainOf(content: string): [string, string][] | undefined {
  const found: [string, string][] = [];
  for (const line of content.split('\n')) {
    const text = line.trim();
    if (text === '' || text.startsWith('#') || text.startsWith('!')) continue;
    const [, name, value] = /^([A-Za-z_][A-Za-z0-9_.]*)\s*[=:]\s*(.*)$/.exec(text) ?? [];
    if (name === undefined || value === undefined || /[$\\]/.test(value)) return undefined;
    found.push([name, value]);
  }
  return found;
}
