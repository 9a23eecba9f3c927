import { resolve } from 'node:path';
import { isError, renderProblems } from '../../jobs/problem.ts';
import { readEverything } from '../config.ts';
import { siteFile } from '../site.ts';

/** `stackgate config validate`: everything that is wrong with site, layout and jobs, at once. */
export function validate(
  named: string | undefined,
  { json, from }: { readonly json: boolean; readonly from?: string },
): number {
  const { config, problems, sources } = readEverything(
    siteFile(named),
    from === undefined ? undefined : resolve(from),
  );
  const errors = problems.filter(isError).length;
  if (json) {
    process.stdout.write(`${JSON.stringify({ valid: errors === 0, problems })}\n`);
  } else {
    if (problems.length > 0) process.stdout.write(`${renderProblems(problems, sources)}\n`);
    const layout = config?.layout;
    const summary =
      layout === undefined
        ? `${errors} ${errors === 1 ? 'error' : 'errors'}, ${problems.length - errors} warnings`
        : `valid: ${layout.pipelines.length} pipelines, ${Object.keys(layout.projects).length} projects, ${Object.keys(config?.jobs ?? {}).length} jobs, ${problems.length} warnings`;
    process.stdout.write(`${summary}\n`);
  }
  return errors === 0 ? 0 : 1;
}
