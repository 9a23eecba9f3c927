import { expandJobs } from '../jjb/expand.ts';
import { type JjbSettings, loadCorpus } from '../jjb/load.ts';
import { isDict, isList } from '../jjb/python.ts';
import type { SourceFile } from '../problem.ts';
import { readYaml } from '../yaml.ts';
import type { Row } from './row.ts';

/** A row for every definition of the job files, and how many jobs came of it. */
export function corpusRows(
  sources: readonly SourceFile[],
  settings: JjbSettings & { readonly read: (path: string) => string | undefined },
): Row[] {
  const corpus = loadCorpus(sources, settings);
  const made = new Map<string, number>();
  for (const job of corpus.incomplete ? [] : expandJobs(corpus, settings)) {
    const key = `${job.at?.file}:${job.at?.line}`;
    made.set(key, (made.get(key) ?? 0) + 1);
  }
  const rows: Row[] = [];
  for (const [kind, definitions] of corpus.entities) {
    for (const [id, definition] of definitions) {
      const at = corpus.places.of(definition, 'name') ?? corpus.places.of(definition);
      const what = `${kind} ${id}`;
      if (kind.startsWith('view')) {
        rows.push({ outcome: 'ignored', what, why: 'there are no views here', at });
      } else if (kind === 'job' || kind === 'job-template') {
        const count = made.get(`${at?.file}:${at?.line}`) ?? 0;
        const outcome = count === 0 ? 'ignored' : 'mapped';
        rows.push({ outcome, what, why: count === 0 ? 'no project names it' : counted(count, 'job'), at });
      } else rows.push({ outcome: 'mapped', what, why: 'read as it is', at });
    }
  }
  return rows;
}

/** A row for every element of a layout. */
export function layoutRows(source: SourceFile): { rows: Row[]; functions: string[]; mail: boolean } {
  const { value, places } = readYaml(source);
  const rows: Row[] = [];
  const functions = new Set<string>();
  if (!isDict(value)) return { rows, functions: [], mail: false };
  for (const [section, items] of Object.entries(value)) {
    if (!isList(items) || items.length === 0) {
      rows.push({ outcome: 'mapped', what: section, why: 'read as it is', at: places.of(value, section) });
      continue;
    }
    for (const [index, item] of items.entries()) {
      const at = places.of(items, index);
      const python = isDict(item) ? item['python-file'] : undefined;
      if (section === 'includes' && typeof python === 'string') {
        const what = `includes ${python}`;
        rows.push({
          outcome: 'unsupported',
          what,
          why: 'Python is not run: see parameter-functions in stackgate.yaml',
          at,
        });
        continue;
      }
      const name = isDict(item) && typeof item['name'] === 'string' ? item['name'] : String(index + 1);
      rows.push({ outcome: 'mapped', what: `${section} ${name}`, why: 'read as it is', at });
      const called = isDict(item) ? item['parameter-function'] : undefined;
      if (!isDict(item) || typeof called !== 'string') continue;
      functions.add(called);
      rows.push({
        what: `parameter-function ${called}`,
        at: places.of(item, 'parameter-function'),
        ...functionVerdict(called),
      });
    }
  }
  return { rows, functions: [...functions].sort(), mail: /^\s+smtp:/m.test(source.text) };
}

function functionVerdict(name: string): Pick<Row, 'outcome' | 'why'> {
  if (/single_use|reusable|offline/.test(name))
    return {
      outcome: 'ignored',
      why: 'it told Jenkins how often a node is used; nodepool decides that here',
    };
  return {
    outcome: 'unsupported',
    why: `say what it set under parameter-functions.${name} in stackgate.yaml`,
  };
}

export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
