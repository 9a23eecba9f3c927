import { type Comparator, type Condition, STATUSES } from '../../definition/condition.ts';
import { extended } from '../../script/condition.ts';
import type { Component } from '../macros.ts';
import { type Dict, isDict, isList, pythonText } from '../python.ts';
import { lookUp, textOf, wordOf } from './options.ts';
import { type Report, readFlag, readPatterns } from './report.ts';

/** Options of each kind of condition; all of them stand beside `condition-kind`. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  always: [],
  never: [],
  'boolean-expression': ['condition-expression'],
  'build-cause': ['cause', 'exclusive-cause'],
  'day-of-week': ['day-selector', 'days', 'use-build-time'],
  'execution-node': ['nodes'],
  'strings-match': ['condition-string1', 'condition-string2', 'condition-case-insensitive'],
  'current-status': ['condition-worst', 'condition-best'],
  shell: ['condition-command'],
  'file-exists': ['condition-filename', 'condition-basedir'],
  'files-match': ['include-pattern', 'exclude-pattern', 'condition-basedir'],
  'num-comp': ['lhs', 'rhs', 'comparator'],
  'regex-match': ['regex', 'label'],
  time: ['earliest-hour', 'earliest-min', 'latest-hour', 'latest-min', 'use-build-time'],
  not: ['condition-operand'],
  and: ['condition-operands'],
  or: ['condition-operands'],
};

const CAUSES: Readonly<Record<string, string>> = {
  USER_CAUSE: 'MANUALTRIGGER',
  CLI_CAUSE: 'MANUALTRIGGER',
  SCM_CAUSE: 'SCMTRIGGER',
  REMOTE_CAUSE: 'SCMTRIGGER',
  TIMER_CAUSE: 'TIMERTRIGGER',
  UPSTREAM_CAUSE: 'UPSTREAMTRIGGER',
};

const DAYS: readonly (readonly string[])[] = [
  ['MON'],
  ['TUES', 'TUE'],
  ['WED'],
  ['THURS', 'THU'],
  ['FRI'],
  ['SAT'],
  ['SUN'],
];

const WORDS = [
  'less-than',
  'greater-than',
  'equal',
  'not-equal',
  'less-than-equal',
  'greater-than-equal',
] as const;
const COMPARATORS = {
  'less-than': 'lt',
  'greater-than': 'gt',
  equal: 'eq',
  'not-equal': 'ne',
  'less-than-equal': 'le',
  'greater-than-equal': 'ge',
} as const satisfies Readonly<Record<(typeof WORDS)[number], Comparator>>;

/** The condition that `options` of a part say; `beside`: options of the part that are none of its. */
export function mapCondition(
  part: Component,
  options: Dict,
  beside: readonly string[],
  report: Report,
): Condition | undefined {
  const kind = textOf(options['condition-kind']) ?? '';
  const known = lookUp(KINDS, kind);
  const inner = part.inside(part.name, options);
  if (known === undefined) {
    const hint = `It knows ${Object.keys(KINDS).join(', ')}.`;
    const at = report.placeIn(inner, 'condition-kind');
    report.unsupported('builder-option', `conditional-step.condition-kind: ${kind}`, at, part, hint);
    return undefined;
  }
  report.options('builder', inner, ['condition-kind', ...beside, ...known]);
  return conditionOf(kind, inner, options, report);
}

function conditionOf(kind: string, part: Component, options: Dict, report: Report): Condition | undefined {
  const text = (key: string, fallback = '') => textOf(options[key]) ?? fallback;
  const refuse = (key: string, hint: string) => {
    const name = `conditional-step.${key}: ${text(key)}`;
    report.unsupported('builder-option', name, report.placeIn(part, key), part, hint);
    return undefined;
  };
  const base = text('condition-basedir', 'workspace');
  switch (kind) {
    case 'always':
    case 'never':
      return { kind };
    case 'boolean-expression':
      return { kind: 'boolean', expression: text('condition-expression') };
    case 'build-cause': {
      const cause = lookUp(CAUSES, text('cause', 'USER_CAUSE'));
      return cause === undefined
        ? refuse('cause', `It knows ${Object.keys(CAUSES).join(', ')}.`)
        : { kind: 'cause', cause };
    }
    case 'day-of-week':
      return { kind: 'days', days: daysOf(text('day-selector', 'weekend'), options['days']) };
    case 'execution-node':
      return { kind: 'nodes', names: isList(options['nodes']) ? options['nodes'].map(pythonText) : [] };
    case 'strings-match':
      return {
        kind: 'strings',
        a: text('condition-string1'),
        b: text('condition-string2'),
        ignoreCase: readFlag(options['condition-case-insensitive'], false),
      };
    case 'current-status': {
      const status = (key: string) => wordOf('builder', part, key, options[key], STATUSES, 'SUCCESS', report);
      return { kind: 'status', worst: status('condition-worst'), best: status('condition-best') };
    }
    case 'shell':
      return { kind: 'shell', script: text('condition-command') };
    case 'file-exists':
      if (base !== 'workspace') return refuse('condition-basedir', 'Only the workspace is there.');
      return { kind: 'file', path: text('condition-filename') };
    case 'files-match':
      if (base !== 'workspace') return refuse('condition-basedir', 'Only the workspace is there.');
      return {
        kind: 'files',
        include: readPatterns(options['include-pattern']),
        exclude: readPatterns(options['exclude-pattern']),
      };
    case 'num-comp': {
      const word = wordOf('builder', part, 'comparator', options['comparator'], WORDS, 'less-than', report);
      return { kind: 'numbers', a: text('lhs'), b: text('rhs'), comparator: COMPARATORS[word] };
    }
    case 'regex-match':
      if (extended(text('regex')) === undefined)
        return refuse('regex', 'Leave out lookaround, lazy repetition, flags and back references.');
      return { kind: 'regex', pattern: text('regex'), text: text('label') };
    case 'time': {
      const clock = (edge: string, hour: number, minute: number) =>
        [`${edge}-hour`, `${edge}-min`]
          .map((key, index) => text(key, `${index === 0 ? hour : minute}`).padStart(2, '0'))
          .join('');
      return { kind: 'time', earliest: clock('earliest', 9, 0), latest: clock('latest', 17, 30) };
    }
    default:
      return combined(kind, part, options, report);
  }
}

function combined(kind: string, part: Component, options: Dict, report: Report): Condition | undefined {
  const list = kind === 'not' ? [options['condition-operand']] : options['condition-operands'];
  const operands = (isList(list) ? list : []).filter(isDict);
  if (operands.length === 0) {
    const key = kind === 'not' ? 'condition-operand' : 'condition-operands';
    report.error('part-options', `The condition ${kind} needs "${key}:".`, part.at, undefined, part);
    return undefined;
  }
  const mapped = operands.map((operand) => mapCondition(part, operand, [], report));
  const whole = mapped.filter((condition) => condition !== undefined);
  const [first] = whole;
  if (first === undefined || whole.length < mapped.length) return undefined;
  if (kind === 'not') return { kind: 'not', operand: first };
  return { kind: kind === 'and' ? 'and' : 'or', operands: whole };
}

function daysOf(selector: string, days: unknown): number[] {
  if (selector === 'weekday') return [1, 2, 3, 4, 5];
  if (selector !== 'select-days' || !isDict(days)) return [6, 7];
  return DAYS.flatMap((names, index) =>
    names.some((name) => readFlag(days[name], false)) ? [index + 1] : [],
  );
}
