import { isError, renderProblems } from '../../jobs/problem.ts';
import { readEverything } from '../config.ts';
import { examine } from '../doctor/doctor.ts';
import type { Finding } from '../doctor/finding.ts';
import { siteFile } from '../site.ts';
import { printable } from '../text.ts';

/** `stackgate doctor`: whether this site could work, and what each thing in its way asks for. */
export async function doctor(
  named: string | undefined,
  { json }: { readonly json: boolean },
): Promise<number> {
  const { site, base, config, problems, sources } = readEverything(siteFile(named));
  const errors = problems.filter(isError).length;
  const say = (text: string) => process.stdout.write(text);
  if (!json && problems.length > 0) say(`${renderProblems(problems, sources)}\n`);
  if (site === undefined || config === undefined || errors > 0) {
    if (json) say(`${JSON.stringify({ healthy: false, problems, findings: [] })}\n`);
    else say(`${errors} errors in the configuration: mend them first, then ask again\n`);
    return 1;
  }
  const { layout, jobs } = config;
  const counts = `${layout.pipelines.length} pipelines, ${Object.keys(layout.projects).length} projects, ${Object.keys(jobs).length} jobs`;
  const findings: Finding[] = [
    { what: 'configuration', state: 'good', says: counts },
    ...(await examine(site, base, config)),
  ];
  const bad = findings.filter(({ state }) => state === 'bad').length;
  if (json) say(`${JSON.stringify({ healthy: bad === 0, problems, findings })}\n`);
  else say(`${report(findings)}\n\n${conclusion(findings)}\n`);
  return bad === 0 ? 0 : 1;
}

const words = { good: 'ok  ', warning: 'warn', bad: 'FAIL' } as const;

function report(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  return findings
    .flatMap(({ what, state, says, hint }) => [
      `${words[state]}  ${printable(what).padEnd(width)}  ${printable(says)}`,
      ...(hint === undefined
        ? []
        : printable(hint)
            .split('\n')
            .map((line) => `      ${line}`)),
    ])
    .join('\n');
}

function conclusion(findings: readonly Finding[]): string {
  const count = (wanted: Finding['state']) => findings.filter(({ state }) => state === wanted).length;
  const [bad, warnings] = [count('bad'), count('warning')];
  if (bad > 0) return `${bad} in the way of the first vote, ${warnings} warnings`;
  return [
    `nothing is in the way of the first vote, ${warnings} warnings`,
    'Whether the account may vote on each project shows only when it does: `stackgate run JOB --change N --vote` on a change of a sandbox project.',
  ].join('\n');
}
