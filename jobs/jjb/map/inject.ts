import type { Component } from '../macros.ts';
import { pythonText } from '../python.ts';
import { type Report, readFlag } from './report.ts';

const KEEP = ['keep-system-variables', 'keep-build-variables', 'enabled'];
const OPTIONS = ['properties-content', ...KEEP];

/**
 * Variables for a whole build (EnvInject's wrapper and property), in the form of a Java properties text. Only plain
 * values: what refers to other variables or to files on the node is not supported.
 */
export function mapInject(kind: string, part: Component, report: Report): [string, string][] {
  const options = report.options(kind, part, OPTIONS);
  for (const key of KEEP) {
    if (!readFlag(options[key], true)) {
      report.unsupported(`${kind}-option`, `inject.${key}: false`, report.placeIn(part, key), part);
    }
  }
  const lines = pythonText(options['properties-content'] ?? '').split('\n');
  return lines.flatMap((line) => {
    const text = line.trim();
    if (text === '' || text.startsWith('#') || text.startsWith('!')) return [];
    const match = /^([A-Za-z_][A-Za-z0-9_.]*)\s*[=:]\s*(.*)$/.exec(text);
    const [, name, value] = match ?? [];
    if (name !== undefined && value !== undefined && !/[$\\]/.test(value)) return [[name, value]];
    const hint = 'Only NAME=value without "$" and backslashes; export anything else in a shell step.';
    const shown = JSON.stringify(text.slice(0, 40));
    report.unsupported(
      `${kind}-option`,
      `inject.properties-content: ${shown}`,
      report.placeIn(part, 'properties-content'),
      part,
      hint,
    );
    return [];
  });
}
