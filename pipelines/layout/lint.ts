import { didYouMean } from '../../jobs/problem.ts';
import { matcher } from '../pattern.ts';
import { labelKey } from '../require.ts';
import { isMetajob, type JobEntry } from './jobs.ts';
import { type LabelUse, placeText, type Reading, warn } from './reading.ts';

/** What is allowed and most likely not meant. */

/** Labels of the Gerrits that layouts are written for, in Gerrit's spelling. */
const LABELS = [
  'Verified',
  'Code-Review',
  'Workflow',
  'Approved',
  'Review-Priority',
  'Rollcall-Vote',
  'Backport-Candidate',
  'Allow-Post-Review',
];

/** One real layout votes `verfied` in three places, and so never votes. */
export function lintLabels(reading: Reading, labels: readonly LabelUse[]): void {
  const seen = new Set<string>();
  for (const { at, label, exact } of labels) {
    const near = didYouMean(label, LABELS);
    const right = near === undefined || near === label || (!exact && labelKey(near) === labelKey(label));
    if (right || seen.has(label)) continue;
    seen.add(label);
    const more = labels.filter((other) => other.label === label).length - 1;
    const places = more === 0 ? '' : ` (and in ${more} more ${more === 1 ? 'place' : 'places'})`;
    warn(
      reading,
      at,
      'unknown-label',
      `No Gerrit that we know has a label ${JSON.stringify(label)}${places}; a vote on it is refused.`,
      `Did you mean "${near}"? Labels are spelled as Gerrit has them, capitals included.`,
    );
  }
}

/** A metajob that stands after the entry of a job does not apply to it: the trap of the file's order. */
export function lintOrder(reading: Reading, entries: readonly JobEntry[]): void {
  for (const [i, entry] of entries.entries()) {
    if (!isMetajob(entry.name)) continue;
    const { matches } = matcher(entry.name);
    const earlier = entries.slice(0, i).find((other) => !isMetajob(other.name) && matches(other.name));
    if (earlier === undefined) continue;
    warn(
      reading,
      entry.at,
      'late-metajob',
      `This metajob matches ${earlier.name}, but does not apply to it: it stands after the job’s own entry ` +
        `(${placeText(reading, earlier.at)}).`,
      'Move it before that entry if it should apply.',
    );
  }
}

export function lintIdle(reading: Reading, idle: readonly JobEntry[]): void {
  for (const entry of idle) {
    warn(reading, entry.at, 'idle-metajob', `No job’s name matches ${JSON.stringify(entry.name)}.`);
  }
}
