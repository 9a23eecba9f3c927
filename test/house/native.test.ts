import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { JobDefinition } from '../../jobs/definition.ts';
import type { OwnParts } from '../../jobs/own.ts';
import { renderProblems } from '../../jobs/problem.ts';
import { readJobs } from '../../jobs/resolve.ts';

/** docs/native-jobs.md: every pair of examples makes the same job. */

const page = readFileSync(new URL('../../docs/native-jobs.md', import.meta.url), 'utf8');
const pairs = page.split('\n## ').flatMap((section): [string, string, string][] => {
  const blocks = [...section.matchAll(/```yaml\n(.*?)```/gs)].map((match) => match[1] ?? '');
  const [jjb, native] = blocks;
  return jjb === undefined || native === undefined ? [] : [[section.split('\n', 1)[0] ?? '', jjb, native]];
});

/** What docs/jobs.md shows a site to have. */
const own: OwnParts = {
  builders: { 'run-tox': (options) => [{ kind: 'shell', script: `tox ${JSON.stringify(options)}` }] },
  publishers: { 'lab-board': () => undefined },
};

function definition(name: string, text: string): Omit<JobDefinition, 'place'> {
  const source = { name, text };
  const { jobs, problems } = readJobs([source], { read: () => undefined, unsupported: 'error', own });
  // An excerpt may speak of jobs that it does not show.
  const wrong = problems.filter(({ code }) => code !== 'unknown-job');
  expect(renderProblems(wrong, [source])).toBe('');
  const [job] = Object.values(jobs);
  if (job === undefined) throw new Error(`${name}: no job`);
  const { place: _place, ...rest } = job;
  return rest;
}

describe('docs/native-jobs.md', () => {
  it.each(pairs)('%s', (_, jjb, native) => {
    expect(definition('native.yaml', native)).toEqual(definition('jjb.yaml', jjb));
  });

  it('has a pair in every section', () => {
    expect(pairs.length).toBe(page.split('\n## ').length - 1);
  });
});
