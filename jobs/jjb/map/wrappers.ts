import type { z } from 'zod';
import type { Timeout } from '../../definition.ts';
import type { Component } from '../macros.ts';
import { pythonText } from '../python.ts';
import { mapInject } from './inject.ts';
import { type Report, readFlag } from './report.ts';

export type Wrapper =
  | { readonly kind: 'timestamps' }
  | { readonly kind: 'variables'; readonly variables: [string, string][] }
  | { readonly kind: 'timeout'; readonly timeout: z.infer<typeof Timeout> };

/** Wrappers whose work is done here anyway, with the sentence that says so. */
const NOT_NEEDED: Readonly<Record<string, string>> = {
  ansicolor: 'Colours of the console are always kept.',
  'workspace-cleanup': 'Every build starts in an empty workspace.',
  'mask-passwords': 'Secrets of the site are always masked.',
};

export function mapWrapper(part: Component, report: Report): Wrapper | undefined {
  const { name } = part;
  if (name === 'timestamps') {
    report.options('wrapper', part, []);
    return { kind: 'timestamps' };
  }
  if (name === 'timeout') return timeout(part, report);
  if (name === 'inject') return { kind: 'variables', variables: mapInject('wrapper', part, report) };
  const reason = NOT_NEEDED[name];
  if (reason === undefined) report.unsupported('wrapper', name, part.at, part);
  else report.ignored('ignored-wrapper', `The wrapper ${name} is not needed: ${reason}`, part.at, part);
  return undefined;
}

const OPTIONS = ['timeout', 'timeout-var', 'fail', 'abort', 'type', 'write-description'];

/** Only absolute limits; minutes, 3 of them when none are given, as JJB has it. */
function timeout(part: Component, report: Report): Wrapper | undefined {
  const options = report.options('wrapper', part, OPTIONS);
  const type = pythonText(options['type'] ?? 'absolute');
  if (type !== 'absolute') {
    report.unsupported(
      'wrapper-option',
      `timeout.type: ${type}`,
      report.placeIn(part, 'type'),
      part,
      'Use an absolute timeout.',
    );
    return undefined;
  }
  const minutes = Number(pythonText(options['timeout'] ?? 3));
  if (!Number.isFinite(minutes) || minutes <= 0) {
    const shown = pythonText(options['timeout']);
    report.error(
      'timeout',
      `A timeout is a number of minutes, not ${shown}.`,
      report.placeIn(part, 'timeout'),
      undefined,
      part,
    );
    return undefined;
  }
  const variable = options['timeout-var'] ?? undefined;
  if (variable !== undefined && !/^[A-Za-z_]\w*$/.test(pythonText(variable))) {
    const shown = JSON.stringify(pythonText(variable));
    report.error(
      'timeout',
      `${shown} cannot be a variable.`,
      report.placeIn(part, 'timeout-var'),
      undefined,
      part,
    );
    return undefined;
  }
  return {
    kind: 'timeout',
    timeout: {
      limit: minutes * 60_000,
      fail: readFlag(options['fail'], false),
      ...(variable === undefined ? {} : { variable: pythonText(variable) }),
    },
  };
}
