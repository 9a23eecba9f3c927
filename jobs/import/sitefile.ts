import type { Facts } from './knobs.ts';
import type { Row } from './row.ts';

/** The new `stackgate.yaml`. */

export interface SiteParts {
  readonly facts: Facts;
  /** Directories of job files in the new site. */
  readonly jobs: readonly string[];
  readonly mail: boolean;
  readonly functions: readonly string[];
  /** There is a nodepool.yaml beside it. */
  readonly nodepool: boolean;
}

/** Where Gerrit is when nothing says it; OpenStack's was the only one of os-ext-testing. */
const GERRIT = 'review.opendev.org';

export function siteFileText(parts: SiteParts): { text: string; rows: Row[] } {
  const { facts } = parts;
  const rows: Row[] = [];
  const fill = (path: string, fallback: string, outcome: 'assumed' | 'missing', why: string): string => {
    const known = facts.get(path)?.value;
    if (known !== undefined) return quoted(known);
    rows.push({ outcome, what: `connections.${path}`, why });
    return outcome === 'missing' ? `${quoted(fallback)} # FILL IN` : quoted(fallback);
  };
  const optional = (path: string, indent: string): string[] => {
    const known = facts.get(path)?.value;
    return known === undefined ? [] : [`${indent}${path.replace(/^.*\./, '')}: ${quoted(known)}`];
  };
  const host = fill('gerrit.host', GERRIT, 'assumed', `nothing names a Gerrit: ${GERRIT} was taken`);
  const scan = `ssh-keyscan -p ${facts.get('gerrit.port')?.value ?? 29418} ${facts.get('gerrit.host')?.value ?? GERRIT} shows it`;
  const lines = [
    '# Made by `stackgate import`; import-report.txt tells where everything came from.',
    '# `stackgate config validate` checks this file and all that it names.',
    'layout: layout.yaml',
    ...(parts.jobs.length === 1
      ? [`jobs: ${quoted(parts.jobs[0] ?? 'jobs')}`]
      : ['jobs:', ...parts.jobs.map((folder) => `  - ${quoted(folder)}`)]),
    '# Parts of jobs that have no meaning here are left out and listed; `error` refuses them.',
    'unsupported: ignore',
    '',
    'connections:',
    '  gerrit:',
    `    host: ${host}`,
    ...optional('gerrit.port', '    '),
    `    user: ${fill('gerrit.user', 'FILL-IN', 'missing', 'the SSH user name of the CI account')}`,
    `    key: ${fill('gerrit.key', 'FILL-IN', 'missing', 'the private key file of the CI account')}`,
    `    host-key: ${fill('gerrit.host-key', 'SHA256:FILL-IN', 'missing', `the host key of Gerrit: ${scan}`)}`,
    ...optional('gerrit.url', '    '),
    ...(parts.mail || facts.has('smtp.server')
      ? [
          '  smtp:',
          '    driver: smtp',
          `    server: ${fill('smtp.server', 'localhost', 'assumed', 'the layout sends mail: the server on this machine was taken')}`,
          ...['smtp.port', 'smtp.default-from', 'smtp.default-to'].flatMap((path) => optional(path, '    ')),
        ]
      : []),
    '',
    ...(parts.functions.length === 0
      ? []
      : [
          '# Python functions of the layout are not run: say here what each did (docs/configuration.md).',
          'parameter-functions:',
          ...parts.functions.map((name) => `  ${quoted(name)}: {}`),
          '',
        ]),
    'nodes:',
    ...(parts.nodepool
      ? [
          '  # Machines of clouds, once clouds.yaml has their accounts (docs/nodepool.md):',
          '  # nodepool: nodepool.yaml',
        ]
      : []),
    '  local:',
    '    # Jobs never run as root: name an unprivileged user when Stackgate is started as root.',
    '    # user: jenkins',
    '    max-parallel-jobs: 2',
    '',
  ];
  if (parts.nodepool) {
    const why = 'nodepool.yaml is not in use yet: take the comment away when clouds.yaml has its accounts';
    rows.push({ outcome: 'assumed', what: 'nodes.nodepool', why });
  }
  return { text: lines.join('\n'), rows };
}

/** A plain scalar where YAML reads it as the text it is. */
function quoted(text: string): string {
  if (/^\d+$/.test(text) || /^[A-Za-z/~][\w./~@+-]*$/.test(text)) return text;
  return JSON.stringify(text);
}
