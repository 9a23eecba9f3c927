import type { Component } from '../macros.ts';
import { type Dict, isDict, isList, pythonText } from '../python.ts';
import type { Report } from './report.ts';

/** Readers of single options, as JJB and the plug-ins behind it read them. */

/** What a table has under a name a stranger chose. */
export function lookUp<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

export function textOf(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : pythonText(value);
}

/** A list, or one text with commas (and, for people's addresses, blanks) between. */
export function listOf(value: unknown, between: RegExp = /,/): string[] {
  const items = isList(value) ? value.map(pythonText) : (textOf(value) ?? '').split(between);
  return items.map((item) => item.trim()).filter((item) => item !== '');
}

/** A text that must be there. */
export function needed(
  kind: string,
  part: Component,
  options: Dict,
  key: string,
  report: Report,
): string | undefined {
  const text = textOf(options[key]);
  if (text !== undefined && text !== '') return text;
  report.error('part-options', `The ${kind} ${part.name} needs "${key}:".`, part.at, undefined, part);
  return undefined;
}

/** One of some words; anything else is told, and the fallback taken. */
export function wordOf<T extends string>(
  kind: string,
  part: Component,
  key: string,
  value: unknown,
  words: readonly T[],
  fallback: T,
  report: Report,
): T {
  const text = textOf(value);
  if (text === undefined || text === '') return fallback;
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  const hint = `It knows ${words.join(', ')}.`;
  report.unsupported(`${kind}-option`, `${part.name}.${key}: ${text}`, report.placeIn(part, key), part, hint);
  return fallback;
}

/** A number not below `least`; anything else is told. */
export function numberOf(
  part: Component,
  key: string,
  value: unknown,
  fallback: number,
  least: number,
  report: Report,
): number {
  const text = textOf(value);
  if (text === undefined || text === '') return fallback;
  const number = Number(text);
  if (Number.isFinite(number) && number >= least) return number;
  const message = `"${key}:" of ${part.name} is a number of at least ${least}, not ${JSON.stringify(text.slice(0, 40))}.`;
  report.error('part-options', message, report.placeIn(part, key), undefined, part);
  return fallback;
}

/** A name that can be a variable; undefined and told otherwise. */
export function variableOf(part: Component, key: string, value: unknown, report: Report): string | undefined {
  const text = textOf(value) ?? '';
  if (/^[A-Za-z_]\w*$/.test(text)) return text;
  const message = `"${key}:" of ${part.name} must be a name that can be a variable, not ${JSON.stringify(text.slice(0, 40))}.`;
  report.error('part-options', message, report.placeIn(part, key), 'Use letters, digits and "_".', part);
  return undefined;
}

/** Options that change nothing here are told once each. */
export function tellIdle(part: Component, options: Dict, keys: readonly string[], report: Report): void {
  for (const key of keys) {
    const value = options[key];
    if (value === undefined || value === null || value === false || value === '' || isEmpty(value)) continue;
    const message = `The option ${part.name}.${key} has no effect here.`;
    report.ignored('ignored-option', message, report.placeIn(part, key), part);
  }
}

function isEmpty(value: unknown): boolean {
  return (isList(value) && value.length === 0) || (isDict(value) && Object.keys(value).length === 0);
}
