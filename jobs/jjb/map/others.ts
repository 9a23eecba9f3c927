import type { Discard, Throttle } from '../../definition.ts';
import { jenkinsCron } from '../../jenkinscron.ts';
import type { Component } from '../macros.ts';
import { type Dict, isList, pythonText } from '../python.ts';
import { type Injected, mapInject } from './inject.ts';
import { lookUp, numberOf, tellIdle, textOf, wordOf } from './options.ts';
import { type Report, readFlag } from './report.ts';

/** Properties that steer Jenkins itself; the site's configuration does the same here. */
const PROPERTIES: Readonly<Record<string, string>> = {
  copyartifact: 'Artifacts are not copied between jobs by permission.',
  github: 'It only links to a web page.',
  'priority-sorter': 'The precedence of the pipeline decides.',
  rebuild: 'Any build can be run again.',
  'zeromq-event': 'Events of builds are always published.',
};

export type Property =
  | ({ readonly kind: 'injected' } & Injected)
  | { readonly kind: 'throttle'; readonly throttle: Throttle }
  | { readonly kind: 'discard'; readonly discard: Discard };

export function mapProperty(job: string, part: Component, report: Report): Property | undefined {
  switch (part.name) {
    case 'inject':
      return { kind: 'injected', ...mapInject('property', part, report) };
    case 'throttle':
      return throttle(job, part, report);
    case 'build-discarder':
      return { kind: 'discard', discard: discardOf(part, report.options('property', part, DISCARD), report) };
    default:
      break;
  }
  const reason = lookUp(PROPERTIES, part.name);
  if (reason === undefined) report.unsupported('property', part.name, part.at, part);
  else
    report.ignored(
      'ignored-property',
      `The property ${part.name} has no effect here: ${reason}`,
      part.at,
      part,
    );
  return undefined;
}

const THROTTLE = [
  'option',
  'max-total',
  'max-per-node',
  'enabled',
  'categories',
  'matrix-builds',
  'matrix-configs',
  'parameters-limit',
  'parameters-check-list',
];

/** Builds of one job, or of all jobs of a category, at a time. */
function throttle(job: string, part: Component, report: Report): Property | undefined {
  const options = report.options('property', part, THROTTLE);
  if (!readFlag(options['enabled'], true)) return undefined;
  tellIdle(part, options, ['max-per-node', 'parameters-limit', 'parameters-check-list'], report);
  const option = wordOf(
    'property',
    part,
    'option',
    options['option'],
    ['project', 'category'],
    'project',
    report,
  );
  const total = numberOf(part, 'max-total', options['max-total'], 0, 0, report);
  if (total === 0) return undefined;
  const categories = isList(options['categories']) ? options['categories'].map(pythonText) : [];
  const [category, ...more] = option === 'category' ? categories : [];
  if (more.length > 0) {
    const message = `Only the first category counts, ${category ?? ''}.`;
    report.ignored('ignored-option', message, report.placeIn(part, 'categories'), part);
  }
  const name = category === undefined ? `job ${job}` : `category ${category}`;
  return { kind: 'throttle', throttle: { name, total: Math.floor(total) } };
}

export const DISCARD = ['days-to-keep', 'num-to-keep', 'artifact-days-to-keep', 'artifact-num-to-keep'];

/** Jenkins' -1 is "for ever": the site's own rule. */
export function discardOf(part: Component, options: Dict, report: Report): Discard {
  const limit = (key: string) => {
    const number = numberOf(part, key, options[key], -1, -1, report);
    return number > 0 ? number : undefined;
  };
  const [days, builds, artifactDays, artifactBuilds] = DISCARD.map(limit);
  return {
    ...(days === undefined ? {} : { days }),
    ...(builds === undefined ? {} : { builds }),
    ...(artifactDays === undefined ? {} : { artifactDays }),
    ...(artifactBuilds === undefined ? {} : { artifactBuilds }),
  };
}

/**
 * Pipelines decide what runs for changes; the mark of jobs that Zuul starts says nothing more. Answers the times of a timed
 * trigger.
 */
export function mapTrigger(job: string, part: Component, report: Report): string | undefined {
  if (part.name === 'zuul' || part.name === 'zuul-post') return undefined;
  if (part.name === 'timed') {
    const text = textOf(part.value) ?? '';
    const cron = jenkinsCron(text, job);
    if (cron.kind === 'times') return cron.lines.length === 0 ? undefined : text;
    report.error('timed', `The trigger timed: ${cron.message}`, part.at, undefined, part);
    return undefined;
  }
  const hint = 'Start the job from a pipeline of the layout.';
  report.unsupported('trigger', part.name, part.at, part, hint);
  return undefined;
}

export function mapScm(part: Component, report: Report): void {
  const hint = 'Fetch the change in a builder from $ZUUL_URL/$ZUUL_PROJECT, ref $ZUUL_REF.';
  report.unsupported('scm', part.name, part.at, part, hint);
}
