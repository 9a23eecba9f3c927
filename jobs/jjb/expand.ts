import { type Entry, entriesOf, unknownJob } from './entries.ts';
import {
  addJob,
  type ExpandedJob,
  type Expansion,
  entities,
  type Step,
  unique,
  withOwnDefaults,
} from './expansion.ts';
import type { Corpus, JjbSettings } from './load.ts';
import { type Dict, pythonText } from './python.ts';
import { expandSix } from './six/expand.ts';
import { expandTemplate } from './template.ts';

/**
 * Projects, groups and templates become jobs, by the rules of JJB 2.x.
 *
 * A template's parameters come, the strongest first, from: an axis value, the group's entry for the job, the group, the
 * project's entry, the project, the template (only where defaults know the key too), the defaults. They are formatted
 * once with themselves, so that a parameter may mention another one. What the template itself defines is known to its
 * own text as it is written, not formatted.
 *
 * An axis is a key of these parameters that holds a list and that stands as `{key}` in the template's name. Lists of
 * defaults are no axes: they are filled in after the axes were chosen.
 */

export function expandJobs(corpus: Corpus, settings: JjbSettings): readonly ExpandedJob[] {
  const expansion: Expansion = { corpus, settings, plain: new WeakMap(), jobs: [], bodies: new Map() };
  if (settings.compat === 6) {
    expandSix(expansion);
    return unique(expansion);
  }
  for (const [id, job] of entities(expansion, 'job')) {
    const at = corpus.places.of(job, 'name');
    const data = withOwnDefaults(job, expansion, [{ what: `job ${id}`, at }]);
    if (data !== undefined) addJob(data, { at, via: [{ what: `job ${id}`, at }] }, expansion);
  }
  for (const [name, project] of entities(expansion, 'project')) expandProject(name, project, expansion);
  return unique(expansion);
}

function expandProject(name: string, project: Dict, expansion: Expansion): void {
  const { places } = expansion.corpus;
  const seen = new Set<string>();
  const via: Step = { what: `project ${name}`, at: places.of(project, 'name') };
  for (const entry of entriesOf(project, 'project', expansion)) {
    const at = { what: `its entry ${entry.name}`, at: entry.at };
    if (entities(expansion, 'job').has(entry.name)) {
      nameOnce(entry, seen, name, expansion);
      continue;
    }
    const group = entities(expansion, 'job-group').get(entry.name);
    if (group !== undefined) {
      expandGroup(group, entry, project, seen, [at, via], expansion);
      continue;
    }
    const template = entities(expansion, 'job-template').get(entry.name);
    if (template === undefined) unknownJob(entry, [via], 'error', expansion);
    else expandTemplate(template, [entry.params, project], undefined, [at, via], expansion);
  }
}

function expandGroup(
  group: Dict,
  entry: Entry,
  project: Dict,
  seen: Set<string>,
  via: readonly Step[],
  expansion: Expansion,
): void {
  const { places } = expansion.corpus;
  for (const member of entriesOf(group, 'job-group', expansion)) {
    if (entities(expansion, 'job').has(member.name)) {
      nameOnce(member, seen, pythonText(project['name']), expansion);
      continue;
    }
    const template = entities(expansion, 'job-template').get(member.name);
    const chain = [{ what: `job-group ${entry.name}`, at: places.of(group, 'name') }, ...via];
    // JJB says nothing about a group's member that does not exist.
    if (template === undefined) unknownJob(member, chain, 'warning', expansion);
    else
      expandTemplate(
        template,
        [member.params, group, entry.params, project],
        project['name'],
        chain,
        expansion,
      );
  }
}

function nameOnce(entry: Entry, seen: Set<string>, project: string, expansion: Expansion): void {
  if (seen.has(entry.name)) {
    expansion.corpus.problems.push({
      severity: expansion.settings.allowDuplicates === true ? 'warning' : 'error',
      code: 'duplicate-job',
      message: `The project ${project} names the job ${entry.name} twice.`,
      at: entry.at,
    });
  }
  seen.add(entry.name);
}
