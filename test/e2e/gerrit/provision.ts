import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { keptKeyPair } from '../../fakes/gerrit/keys.ts';
import { CI_NAME, CI_USER } from '../../harness/site.ts';
import { type Rest, restOf } from './rest.ts';

/** What an administrator sets up for a third-party CI, by REST: accounts, the label, the rights, the projects. */

const run = promisify(execFile);

export const DEVELOPER = 'ann';
export const PROJECTS = ['org/demo', 'org/other', 'org/gated', 'org/strict'] as const;
/** `init --dev` gives the administrator this password; the site listens on loopback only. */
export const ADMIN: readonly [string, string] = ['admin', 'secret'];
/** Gerrit's own limit is 16k; here one that our texts can meet. */
export const COMMENT_LIMIT = 4096;

export function keyFile(site: string, username: string): string {
  return join(site, 'test-keys', username);
}

/** Settings that every start needs; ports change from run to run. */
export async function configure(site: string, ports: { http: number; ssh: number }): Promise<void> {
  const url = `http://127.0.0.1:${ports.http}/`;
  const settings = {
    'gerrit.canonicalWebUrl': url,
    'httpd.listenUrl': url,
    'sshd.listenAddress': `127.0.0.1:${ports.ssh}`,
    'sendemail.enable': 'false',
    'index.threads': '1',
    'change.commentSizeLimit': String(COMMENT_LIMIT),
  };
  for (const [name, value] of Object.entries(settings))
    await run('git', ['config', '-f', join(site, 'etc', 'gerrit.config'), name, value]);
}

export async function provision(site: string, url: string): Promise<void> {
  const rest = restOf(url, ADMIN);
  await account(rest, site, CI_USER, { name: CI_NAME, email: 'ci@example.org', groups: ['Service Users'] });
  await account(rest, site, DEVELOPER, { name: 'Ann Developer', email: 'ann@example.org' });
  const admin = keptKeyPair(keyFile(site, ADMIN[0]), ADMIN[0]);
  await rest.text('POST', 'accounts/self/sshkeys', admin.publicKey);
  await rest.call('PUT', 'projects/All-Projects/labels/Verified', {
    values: { '-1': 'Fails', ' 0': 'No score', '+1': 'Verified' },
    function: 'MaxWithBlock',
    copy_condition: 'changekind:NO_CODE_CHANGE OR changekind:NO_CHANGE',
    commit_message: 'Verified',
  });
  const group = await rest.call('GET', 'groups/Service%20Users');
  const id = typeof group === 'object' && group !== null && 'id' in group ? String(group.id) : '';
  const rules = (more: object = {}) => ({ rules: { [id]: { action: 'ALLOW', force: false, ...more } } });
  await rest.call('POST', 'projects/All-Projects/access', {
    add: {
      'refs/heads/*': {
        permissions: {
          'label-Verified': { label: 'Verified', ...rules({ min: -1, max: 1 }) },
          submit: rules(),
        },
      },
    },
  });
  for (const project of PROJECTS)
    await rest.call('PUT', `projects/${encodeURIComponent(project)}`, {
      create_empty_commit: true,
      submit_type: 'MERGE_IF_NECESSARY',
    });
}

async function account(rest: Rest, site: string, username: string, spec: object): Promise<void> {
  const { publicKey } = keptKeyPair(keyFile(site, username), username);
  const input = { ...spec, ssh_key: publicKey, http_password: username };
  await rest.call('PUT', `accounts/${username}`, input);
}
