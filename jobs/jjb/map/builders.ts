import type { Builder, Threshold, WhichBuild } from '../../definition/builder.ts';
import type { Component } from '../macros.ts';
import { isDict, isList, pythonText } from '../python.ts';
import { mapCondition } from './conditions.ts';
import { listOf, lookUp, needed, tellIdle, textOf, variableOf, wordOf } from './options.ts';
import { type Report, readFlag, readPatterns } from './report.ts';

export function mapBuilder(part: Component, report: Report): readonly Builder[] {
  switch (part.name) {
    case 'shell':
      return shell(part, report);
    case 'python':
      return python(part, report);
    case 'inject':
      return inject(part, report);
    case 'conditional-step':
      return conditional(part, report);
    case 'trigger-builds':
      return trigger(part, report);
    case 'copyartifact':
      return copy(part, report);
    default: {
      const own = lookUp(report.own.builders, part.name);
      if (own !== undefined) return own(part.value, ownReport(part, report));
      report.unsupported('builder', part.name, part.at, part);
      return [];
    }
  }
}

/** How a site's own plug-in complains. */
export function ownReport(part: Component, report: Report): (message: string) => void {
  return (message) => report.error('own-part', `${part.name}: ${message}`, part.at, undefined, part);
}

/** Builders in an option of a part, their macros replaced. */
export function mapBuilders(part: Component, list: unknown, report: Report): readonly Builder[] {
  return report.nested('builder', list, part).flatMap((each) => mapBuilder(each, report));
}

/** `shell: text`, or since JJB 3 `shell: {command: text}`. */
function shell(part: Component, report: Report): Builder[] {
  const { value } = part;
  const command = isDict(value) ? report.options('builder', part, ['command'])['command'] : value;
  if (command === undefined || command === null || typeof command === 'object') {
    report.error('part-options', 'The builder shell needs the text of a script.', part.at, undefined, part);
    return [];
  }
  return [{ kind: 'shell', script: pythonText(command) }];
}

/** Jenkins runs the script with the `python` of the node's path. */
function python(part: Component, report: Report): Builder[] {
  if (typeof part.value === 'string')
    return [{ kind: 'shell', script: `#!/usr/bin/env python\n${part.value}` }];
  report.error('part-options', 'The builder python needs the text of a script.', part.at, undefined, part);
  return [];
}

function inject(part: Component, report: Report): Builder[] {
  const options = report.options('builder', part, ['properties-file', 'properties-content']);
  const file = textOf(options['properties-file']);
  const content = textOf(options['properties-content']) ?? '';
  return [{ kind: 'inject', content, ...(file === undefined || file === '' ? {} : { file }) }];
}

function conditional(part: Component, report: Report): Builder[] {
  const { value } = part;
  if (!isDict(value)) {
    report.error('part-options', 'The builder conditional-step needs options.', part.at, undefined, part);
    return [];
  }
  const condition = mapCondition(part, value, ['steps', 'on-evaluation-failure'], report);
  const undecided = wordOf(
    'builder',
    part,
    'on-evaluation-failure',
    value['on-evaluation-failure'],
    ['fail', 'run', 'dont-run'],
    'fail',
    report,
  );
  if (!isList(value['steps'])) {
    const message = 'The builder conditional-step needs a list "steps:".';
    report.error('part-options', message, part.at, undefined, part);
    return [];
  }
  const steps = mapBuilders(part, value['steps'], report);
  if (condition === undefined) return [];
  return [
    { kind: 'conditional', condition, undecided: undecided === 'dont-run' ? 'skip' : undecided, steps },
  ];
}

const TRIGGER = [
  'project',
  'predefined-parameters',
  'bool-parameters',
  'property-file',
  'property-file-fail-on-missing',
  'current-parameters',
  'block',
  'block-thresholds',
];
const THRESHOLDS = ['build-step-failure-threshold', 'unstable-threshold', 'failure-threshold'];

/** A list of triggers, each with its projects. */
function trigger(part: Component, report: Report): Builder[] {
  if (!isList(part.value)) {
    const message = 'The builder trigger-builds needs a list of "- project:".';
    report.error('part-options', message, part.at, 'Put "- " before every project.', part);
    return [];
  }
  return part.value.flatMap((item) => {
    const inner = part.inside('trigger-builds', item);
    const options = report.options('builder', inner, TRIGGER);
    if (needed('builder', inner, options, 'project', report) === undefined) return [];
    const thresholds = isDict(options['block-thresholds']) ? options['block-thresholds'] : {};
    report.options('builder', inner.inside('block-thresholds', thresholds), THRESHOLDS);
    const threshold = (key: string, fallback: Threshold) =>
      wordOf(
        'builder',
        inner,
        key,
        thresholds[key],
        ['never', 'SUCCESS', 'UNSTABLE', 'FAILURE'],
        fallback,
        report,
      );
    const bools = isList(options['bool-parameters']) ? options['bool-parameters'].filter(isDict) : [];
    const lines = bools.map((bool) => `${textOf(bool['name']) ?? ''}=${readFlag(bool['value'], false)}`);
    const file = textOf(options['property-file']);
    return [
      {
        kind: 'trigger' as const,
        jobs: listOf(options['project']),
        parameters: [textOf(options['predefined-parameters']) ?? '', ...lines].join('\n'),
        current: readFlag(options['current-parameters'], false),
        ...(file === undefined || file === '' ? {} : { file }),
        fileRequired: readFlag(options['property-file-fail-on-missing'], true),
        ...(readFlag(options['block'], false)
          ? {
              block: {
                stop: threshold('build-step-failure-threshold', 'FAILURE'),
                unstable: threshold('unstable-threshold', 'UNSTABLE'),
                failure: threshold('failure-threshold', 'FAILURE'),
              },
            }
          : {}),
      },
    ];
  });
}

const COPY = [
  'project',
  'filter',
  'exclude',
  'target',
  'flatten',
  'optional',
  'do-not-fingerprint',
  'which-build',
  'stable',
  'build-number',
  'permalink',
  'fallback-to-last-successful',
  'param',
  'result-var-suffix',
];

function copy(part: Component, report: Report): Builder[] {
  const options = report.options('builder', part, COPY);
  const job = needed('builder', part, options, 'project', report);
  tellIdle(part, options, ['do-not-fingerprint'], report);
  const which = whichBuild(part, options, report);
  const suffix = textOf(options['result-var-suffix']) ?? '';
  const name = suffix === '' ? undefined : `COPYARTIFACT_BUILD_NUMBER_${suffix}`;
  const variable = name === undefined ? undefined : variableOf(part, 'result-var-suffix', name, report);
  if (job === undefined || which === undefined) return [];
  const include = readPatterns(options['filter']);
  return [
    {
      kind: 'copy',
      job,
      which,
      include: include.length === 0 ? ['**'] : include,
      exclude: readPatterns(options['exclude']),
      target: textOf(options['target']) ?? '',
      flatten: readFlag(options['flatten'], false),
      optional: readFlag(options['optional'], false),
      ...(variable === undefined ? {} : { variable }),
    },
  ];
}

const PERMALINKS: Readonly<Record<string, WhichBuild>> = {
  last: { kind: 'last-completed' },
  'last-stable': { kind: 'last-successful', stable: true },
  'last-successful': { kind: 'last-successful', stable: false },
  'last-failed': { kind: 'last-failed' },
  'last-unstable': { kind: 'last-unstable' },
  'last-unsuccessful': { kind: 'last-unsuccessful' },
};

function whichBuild(
  part: Component,
  options: Readonly<Record<string, unknown>>,
  report: Report,
): WhichBuild | undefined {
  const word = textOf(options['which-build']) ?? 'last-successful';
  switch (word) {
    case 'last-successful':
      return { kind: 'last-successful', stable: readFlag(options['stable'], false) };
    case 'last-completed':
      return { kind: 'last-completed' };
    case 'specific-build':
      return { kind: 'number', number: textOf(options['build-number']) ?? '' };
    case 'upstream-build':
      return { kind: 'upstream', fallback: readFlag(options['fallback-to-last-successful'], false) };
    case 'permalink':
      return lookUp(PERMALINKS, textOf(options['permalink']) ?? 'last') ?? { kind: 'last-completed' };
    case 'build-param': {
      const name = variableOf(part, 'param', options['param'], report);
      return name === undefined ? undefined : { kind: 'parameter', name };
    }
    default: {
      const hint = 'Name a build by number, permalink, variable, or the one that triggered this.';
      const at = report.placeIn(part, 'which-build');
      report.unsupported('builder-option', `copyartifact.which-build: ${word}`, at, part, hint);
      return undefined;
    }
  }
}
