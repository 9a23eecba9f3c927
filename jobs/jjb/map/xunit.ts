import type { Limits, Publisher } from '../../definition/publisher.ts';
import type { Component } from '../macros.ts';
import { type Dict, isDict, isList } from '../python.ts';
import { numberOf, tellIdle, wordOf } from './options.ts';
import { type Report, readFlag, readPatterns } from './report.ts';

/** Frameworks whose own files are JUnit's; others would need their stylesheets. */
const TYPES = ['junit', 'phpunit', 'gtest', 'unittest'];
const TYPE = ['pattern', 'requireupdate', 'deleteoutput', 'skip-if-no-test-files', 'stoponerror'];
const LIMITS = ['unstable', 'unstablenew', 'failure', 'failurenew'];

export function mapXunit(part: Component, report: Report): Publisher[] {
  const options = report.options('publisher', part, [
    'types',
    'thresholdmode',
    'thresholds',
    'test-time-margin',
  ]);
  tellIdle(part, options, ['test-time-margin'], report);
  const mode = wordOf(
    'publisher',
    part,
    'thresholdmode',
    options['thresholdmode'],
    ['number', 'percent'],
    'number',
    report,
  );
  const types = isList(options['types']) ? options['types'].filter(isDict) : [];
  if (types.length === 0) {
    report.error('part-options', 'The publisher xunit needs a list "types:".', part.at, undefined, part);
    return [];
  }
  const reports = types.flatMap((type) => {
    const [name = ''] = Object.keys(type);
    if (!TYPES.includes(name)) {
      const hint = `It reads ${TYPES.join(', ')}; let the tests write JUnit's XML.`;
      report.unsupported('publisher-option', `xunit.types: ${name}`, report.placeOf(type, name), part, hint);
      return [];
    }
    const inner = part.inside(`xunit.${name}`, type[name]);
    const own = report.options('publisher', inner, TYPE);
    return [
      {
        include: readPatterns(own['pattern']),
        skipIfNone: readFlag(own['skip-if-no-test-files'], false),
        stopOnError: readFlag(own['stoponerror'], true),
      },
    ];
  });
  const thresholds = isList(options['thresholds']) ? options['thresholds'].filter(isDict) : [];
  const limits = (kind: string): Limits => {
    const found = thresholds.find((each) => Object.hasOwn(each, kind))?.[kind];
    return isDict(found) ? limitsOf(part, found, report) : {};
  };
  return [
    {
      kind: 'xunit',
      reports,
      percent: mode === 'percent',
      failed: limits('failed'),
      skipped: limits('skipped'),
    },
  ];
}

function limitsOf(part: Component, given: Dict, report: Report): Limits {
  const options = report.options('publisher', part.inside('xunit.thresholds', given), LIMITS);
  const limit = (key: string) => {
    const value = options[key];
    return value === undefined || value === null || value === ''
      ? undefined
      : numberOf(part, key, value, 0, 0, report);
  };
  const [unstable, unstableNew, failure, failureNew] = LIMITS.map(limit);
  return {
    ...(unstable === undefined ? {} : { unstable }),
    ...(unstableNew === undefined ? {} : { unstableNew }),
    ...(failure === undefined ? {} : { failure }),
    ...(failureNew === undefined ? {} : { failureNew }),
  };
}
