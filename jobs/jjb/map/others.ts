import type { Component } from '../macros.ts';
import { mapInject } from './inject.ts';
import type { Report } from './report.ts';

/** Properties that steer Jenkins itself; the site's configuration does the same here. */
const PROPERTIES: Readonly<Record<string, string>> = {
  'build-discarder': 'How long logs are kept is set by the log site.',
  copyartifact: 'Artifacts are not copied between jobs by permission.',
  github: 'It only links to a web page.',
  'priority-sorter': 'The precedence of the pipeline decides.',
  throttle: 'Use a semaphore of the layout instead.',
  rebuild: 'Any build can be run again.',
  'zeromq-event': 'Events of builds are always published.',
};

/** Variables that a property sets; other properties are told. */
export function mapProperty(part: Component, report: Report): [string, string][] {
  if (part.name === 'inject') return mapInject('property', part, report);
  const reason = PROPERTIES[part.name];
  if (reason === undefined) report.unsupported('property', part.name, part.at, part);
  else
    report.ignored(
      'ignored-property',
      `The property ${part.name} has no effect here: ${reason}`,
      part.at,
      part,
    );
  return [];
}

/** Pipelines decide what runs; only the mark of jobs that Zuul starts is no surprise. */
export function mapTrigger(part: Component, report: Report): void {
  if (part.name === 'zuul' || part.name === 'zuul-post') return;
  const hint = 'Start the job from a pipeline of the layout.';
  report.unsupported('trigger', part.name, part.at, part, hint);
}

export function mapScm(part: Component, report: Report): void {
  const hint = 'Fetch the change in a builder from $ZUUL_URL/$ZUUL_PROJECT, ref $ZUUL_REF.';
  report.unsupported('scm', part.name, part.at, part, hint);
}
