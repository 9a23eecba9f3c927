import { Fault } from '../../pipelines/fault.ts';

/** How to reach the repositories of one connection. */
export interface GitSource {
  /** URL of a (validated) project: `ssh://ci@review.example.org:29418/openstack/nova`, https, git or file. */
  readonly url: (project: string) => string;
  /** GIT_SSH_COMMAND, GIT_SSL_CAINFO, proxies: what git needs to get there. */
  readonly env: Readonly<Record<string, string>>;
}

/** Repositories below one base URL (`file:///srv/git`, `https://review.example.org`). */
export function urlSource(base: string, env: Readonly<Record<string, string>> = {}): GitSource {
  if (!/^(file|https?|git|ssh):\/\//.test(base)) {
    throw new Fault('config-invalid', `not a base URL for git: ${JSON.stringify(base)}`, {
      hint: 'Use ssh, https, git or file.',
    });
  }
  const root = base.replace(/\/+$/, '');
  return { url: (project) => `${root}/${project}`, env };
}
