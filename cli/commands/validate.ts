import { isError, renderProblems } from '../../jobs/problem.ts';
import { readConfig } from '../config.ts';
import { readSite, siteFile } from '../site.ts';

/** `stackgate config validate`: everything that is wrong with site, layout and jobs, at once. */
export function validate(named: string | undefined, json: boolean): number {
  const read = readSite(siteFile(named));
  const config = read.site === undefined ? undefined : readConfig(read.site, read.base);
  const problems = [...read.problems, ...(config?.problems ?? [])];
  const errors = problems.filter(isError).length;
  if (json) {
    process.stdout.write(`${JSON.stringify({ valid: errors === 0, problems })}\n`);
  } else {
    if (problems.length > 0)
      process.stdout.write(`${renderProblems(problems, [...read.sources, ...(config?.sources ?? [])])}\n`);
    const layout = config?.config?.layout;
    const summary =
      layout === undefined
        ? `${errors} ${errors === 1 ? 'error' : 'errors'}, ${problems.length - errors} warnings`
        : `valid: ${layout.pipelines.length} pipelines, ${Object.keys(layout.projects).length} projects, ${Object.keys(config?.config?.jobs ?? {}).length} jobs, ${problems.length} warnings`;
    process.stdout.write(`${summary}\n`);
  }
  return errors === 0 ? 0 : 1;
}
