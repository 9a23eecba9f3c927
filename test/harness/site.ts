import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Gerrit } from '../fakes/gerrit/server.ts';

/** A site in a folder, ready for `stackgate start`: what the example asks a person to fill in, filled in. */

export interface SiteSpec {
  readonly dir: string;
  readonly gerrit: Pick<Gerrit, 'host' | 'port' | 'hostKey' | 'webUrl' | 'account'>;
  /** Layout and jobs as text; by default one check pipeline and the demo's jobs. */
  readonly layout: string;
  readonly jobs: string;
  readonly parallel?: number;
  /** False: this machine lends nothing. */
  readonly local?: boolean;
  /** Further lines of the gerrit connection. */
  readonly connection?: Readonly<Record<string, string>>;
  readonly databaseUrl?: string | undefined;
  readonly redisUrl?: string | undefined;
  /** Further lines of the site file. */
  readonly more?: readonly string[];
  /** HOST:PORT of the server; a free port when left out. */
  readonly listen?: string;
  /** Text of a nodepool.yaml beside this machine. */
  readonly nodepool?: string | undefined;
  /** Further connections, as YAML. */
  readonly connections?: string;
}

export const CI_USER = 'demo-ci';
export const CI_NAME = 'Demo CI';

/** The user jobs run as: root has to name one, anybody else says that all patches here are their own. */
export function jobUser(): string {
  return process.geteuid?.() === 0 ? 'user: nobody' : 'allow-same-user: true';
}

export async function writeSite(spec: SiteSpec): Promise<string> {
  await mkdir(join(spec.dir, 'jobs'), { recursive: true });
  // Jobs run as somebody else, who must be able to get through to their workspaces.
  await chmod(spec.dir, 0o711);
  const ci = spec.gerrit.account(CI_USER, {
    name: CI_NAME,
    email: 'ci@example.org',
    groups: ['Service Users'],
  });
  const file = join(spec.dir, 'stackgate.yaml');
  const extra = Object.entries(spec.connection ?? {}).map(([key, value]) => `    ${key}: ${value}`);
  const lines = [
    'data: data',
    `listen: ${spec.listen ?? '127.0.0.1:0'}`,
    'connections:',
    '  gerrit:',
    `    host: ${spec.gerrit.host}`,
    `    port: ${spec.gerrit.port}`,
    `    user: ${CI_USER}`,
    `    key: ${ci.keyFile}`,
    `    host-key: ${spec.gerrit.hostKey}`,
    `    name: ${CI_NAME}`,
    `    url: ${spec.gerrit.webUrl}`,
    ...extra,
    ...(spec.connections === undefined ? [] : [spec.connections.trimEnd().replace(/^/gm, '  ')]),
    'secret-store:',
    `  key: ${join(spec.dir, 'secret.key')}`,
    'nodes:',
    ...(spec.nodepool === undefined ? [] : ['  nodepool: nodepool.yaml']),
    ...(spec.local === false
      ? []
      : ['  local:', `    max-parallel-jobs: ${spec.parallel ?? 4}`, `    ${jobUser()}`]),
    ...(spec.more ?? []),
    ...(spec.databaseUrl === undefined ? [] : ['database:', `  url: ${spec.databaseUrl}`]),
    ...(spec.redisUrl === undefined ? [] : ['redis:', `  url: ${spec.redisUrl}`]),
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  await writeFile(join(spec.dir, 'layout.yaml'), spec.layout);
  if (spec.nodepool !== undefined) await writeFile(join(spec.dir, 'nodepool.yaml'), spec.nodepool);
  await writeFile(join(spec.dir, 'jobs', 'jobs.yaml'), spec.jobs);
  return file;
}
