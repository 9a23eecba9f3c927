import { didYouMean, type Place, type Problem } from '../problem.ts';
import { type Expansion, entities, type Step } from './expansion.ts';
import { type Dict, isDict, isList, pythonText } from './python.ts';

/** The lists `jobs:` of projects and groups. */

/** Parameters that were written next to a job's name, with the node they stand in. */
export interface Entry {
  readonly name: string;
  readonly params: Dict;
  readonly at: Place | undefined;
}

export function entriesOf(owner: Dict, kind: string, expansion: Expansion): Entry[] {
  const { places, problems } = expansion.corpus;
  const jobs = owner['jobs'];
  if ((jobs === undefined || jobs === null) && (kind === 'project' || expansion.settings.compat === 6))
    return [];
  if (!isList(jobs)) {
    const message = `The "jobs:" of this ${kind} must be a list.`;
    problems.push({ severity: 'error', code: 'jjb-shape', message, at: places.of(owner, 'jobs') });
    return [];
  }
  return jobs.map((job, index) => {
    const at = places.of(jobs, index);
    if (!isDict(job)) return { name: pythonText(job), params: {}, at };
    const [name = '', other] = Object.keys(job);
    if (other !== undefined && expansion.settings.compat === 6) {
      const message = `The key ${JSON.stringify(other)} stands beside ${JSON.stringify(name)}, not below it.`;
      problems.push({ severity: 'error', code: 'jjb-indent', message, at: places.of(job, other) });
    }
    const params = job[name];
    return { name, params: isDict(params) ? params : {}, at };
  });
}

export function unknownJob(
  entry: Entry,
  via: readonly Step[],
  severity: Problem['severity'],
  expansion: Expansion,
): void {
  const known = ['job', 'job-template', 'job-group'].flatMap((kind) => [...entities(expansion, kind).keys()]);
  const near = didYouMean(entry.name, known);
  expansion.corpus.problems.push({
    severity,
    code: 'unknown-job',
    message: `There is no job, job-template or job-group ${JSON.stringify(entry.name)}.`,
    at: entry.at,
    via,
    hint: near === undefined ? undefined : `Did you mean ${JSON.stringify(near)}?`,
  });
}
