import { Fault } from '../../pipelines/fault.ts';

/** How to reach the repositories of one connection. */
export interface GitSource {
  /** URL of a (validated) project: `ssh://ci@review.example.org:29418/openstack/nova`, https, git or file. */
  readonly url: (project: string) => string;
  /** GIT_SSH_COMMAND, GIT_SSL_CAINFO, proxies: what git needs to get there. */
  readonly env: Readonly<Record<string, string>>;
}

export interface SshLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Private key file. */
  readonly key: string;
  /** known_hosts file that pins the server's host key. */
  readonly knownHosts: string;
}

/** Gerrit's git over ssh, with the pinned host key and this one identity. */
export function sshSource(login: SshLogin): GitSource {
  if (!/^[A-Za-z0-9_.:-]+$/.test(login.host) || login.host.startsWith('-')) {
    throw new Fault('config-invalid', `not a host name: ${JSON.stringify(login.host)}`);
  }
  const host = login.host.includes(':') ? `[${login.host}]` : login.host;
  const authority = `${encodeURIComponent(login.user)}@${host}:${login.port}`;
  return {
    url: (project) => `ssh://${authority}/${project}`,
    env: { GIT_SSH_COMMAND: sshCommand(login) },
  };
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

/**
 * The command git starts, through a shell, to reach Gerrit. Two languages quote here: ssh_config values (double quotes,
 * `%` expands) inside shell words (single quotes).
 */
export function sshCommand(login: Pick<SshLogin, 'key' | 'knownHosts'>): string {
  const options = [
    `IdentityFile=${sshValue(login.key)}`,
    `UserKnownHostsFile=${sshValue(login.knownHosts)}`,
    'GlobalKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=yes',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'BatchMode=yes',
    'ConnectTimeout=20',
    'ServerAliveInterval=15',
    'ServerAliveCountMax=4',
    'ForwardAgent=no',
    'ClearAllForwardings=yes',
  ];
  return ['ssh', '-F', '/dev/null', ...options.flatMap((option) => ['-o', shellWord(option)])].join(' ');
}

function sshValue(path: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
  if (/["\\\u0000-\u001f]/.test(path)) {
    throw new Fault('config-invalid', `ssh cannot use a file with this name: ${JSON.stringify(path)}`);
  }
  return `"${path.replaceAll('%', '%%')}"`;
}

function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
