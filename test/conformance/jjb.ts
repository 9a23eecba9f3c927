import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expandJobs } from '../../jobs/jjb/expand.ts';
import { type JjbSettings, loadCorpus } from '../../jobs/jjb/load.ts';
import { createInliner, inlineJob } from '../../jobs/jjb/macros.ts';
import { isError, renderProblems } from '../../jobs/problem.ts';
import { canonicalJson } from './canonical.ts';
import { describeDifference } from './diff.ts';

/**
 * `jjb FIXTURES CASES`: expands the input of every case (a JSON file anywhere below CASES) and compares the jobs before and
 * after their macros were replaced. A case with `error` must have a problem that is an error.
 */
export async function run(args: readonly string[]): Promise<{ passed: number; failed: number }> {
  const [fixtures, cases] = args;
  if (fixtures === undefined || cases === undefined) throw new Error('usage: jjb FIXTURES_DIR CASES_DIR');
  let passed = 0;
  let failed = 0;
  for (const file of jsonFiles(cases)) {
    const difference = await checkCase(fixtures, readFileSync(file, 'utf8'));
    if (difference.length === 0) passed++;
    else {
      failed++;
      console.log([`differs: ${file}`, ...difference].join('\n'));
    }
  }
  return { passed, failed };
}

interface JjbCase {
  readonly input: string;
  readonly config?: string | null;
  /** Whose rules: 2, the default, or 6. */
  readonly compat?: 2 | 6;
  readonly jobs_before_macros?: unknown;
  readonly jobs?: unknown;
  readonly error?: { readonly message: string };
}

/** Lines that say how a case differs; none when it passes. */
export async function checkCase(fixtures: string, text: string): Promise<string[]> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the form is described by the data's README
  const wanted = JSON.parse(text) as JjbCase;
  const read = (path: string): string | undefined => {
    const full = path.startsWith('/') ? path : join(fixtures, path);
    return existsSync(full) && statSync(full).isFile() ? readFileSync(full, 'utf8') : undefined;
  };
  const source = { name: wanted.input, text: read(wanted.input) ?? '' };
  const settings = { ...readSettings(wanted.config, read), compat: wanted.compat ?? 2 };
  const corpus = loadCorpus([source], { ...settings, read });
  const expanded = corpus.problems.some(isError) ? [] : expandJobs(corpus, settings);
  const inliner = createInliner(corpus, settings);
  const jobs = corpus.problems.some(isError) ? [] : expanded.map((job) => inlineJob(job, inliner).data);
  const errors = corpus.problems.filter(isError);
  if (wanted.error !== undefined) {
    return errors.length > 0 ? [] : [`    expected the error ${wanted.error.message}, got none`];
  }
  if (errors.length > 0) return [renderProblems(errors, [source])];
  return [
    ...compare(
      'before macros',
      wanted.jobs_before_macros,
      expanded.map((job) => job.data),
    ),
    ...compare('after macros', wanted.jobs, jobs),
  ];
}

function compare(what: string, wanted: unknown, got: unknown): string[] {
  const [left, right] = [maskAddresses(canonicalJson(wanted)), maskAddresses(canonicalJson(got))];
  if (left === right) return [];
  return [`  ${what}`, ...describeDifference(JSON.parse(left), JSON.parse(right))];
}

/** A template that never got its parameters is printed with its address in memory. */
function maskAddresses(text: string): string {
  return text.replaceAll(/object at 0x[0-9a-f]+>/g, 'object at 0x0>');
}

/** `jenkins_jobs.ini`: the text itself or the path of a file. */
export function readSettings(
  config: string | null | undefined,
  read: (path: string) => string | undefined,
): JjbSettings {
  if (config === undefined || config === null) return {};
  const text = config.includes('\n') ? config : (read(config) ?? '');
  const values = new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const match = /^\s*([\w-]+)\s*[=:]\s*(.*?)\s*$/.exec(line);
      return match?.[1] === undefined ? [] : [[match[1], match[2] ?? '']];
    }),
  );
  const flag = (name: string): boolean => /^(?:true|yes|on|1)$/i.test(values.get(name) ?? '');
  return {
    includePath: (values.get('include_path') ?? '').split(':').filter((part) => part !== ''),
    allowDuplicates: flag('allow_duplicates'),
    allowEmptyVariables: flag('allow_empty_variables'),
    keepDescriptions: flag('keep_descriptions'),
    retainAnchors: flag('retain_anchors'),
  };
}

function jsonFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(folder, name));
}
