import { simpleGit } from 'simple-git';
import { Fault } from '../../pipelines/fault.ts';

/**
 * Runs git, through simple-git, in an environment that holds nothing but what is named here: no user or system
 * configuration, no hooks, no prompts, no transport helpers, no replace refs. GIT_DIR is always said: a broken repository
 * must not be mistaken for a healthy one around it.
 *
 * simple-git facts this file is built on (4.0.2):
 * - its guards refuse `core.hooksPath`, `GIT_CONFIG_GLOBAL` and `GIT_SSH_COMMAND` whoever sets them; the three flags below
 *   allow exactly those, and their values are ours (never from a change);
 * - it decides success by `stderr`, so `errors` is replaced: an exit code other than 0 is a GitExit with all output;
 * - a command that prints nothing costs 50 ms (its completion detection): callers prefer commands that say something;
 * - without `input` the child's stdin stays an open pipe: nothing that reads stdin may be run without it.
 */

export interface GitCall {
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Fed to stdin. */
  readonly input?: string | undefined;
  /** GIT_SSH_COMMAND, GIT_AUTHOR_*, GIT_COMMITTER_*, GIT_SSL_CAINFO, proxies. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** git ended with another code than 0. Its text is for patterns and operators; it may quote what strangers wrote. */
export class GitExit extends Error {
  override readonly name = 'GitExit';
  readonly dir: string;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;

  constructor(dir: string, args: readonly string[], code: number, stdout: string, stderr: string) {
    super(`git ${args[0] ?? ''} ended with ${code}: ${complaint(stderr || stdout)}`);
    this.dir = dir;
    this.code = code;
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

const guarded = [
  'GIT_DIR',
  'GIT_CONFIG_NOSYSTEM',
  'GIT_CONFIG_GLOBAL',
  'GIT_TERMINAL_PROMPT',
  'GIT_ALLOW_PROTOCOL',
  'GIT_NO_REPLACE_OBJECTS',
  'GIT_SSH_COMMAND',
  'GIT_SSL_CAINFO',
  'GIT_AUTHOR_NAME',
  'GIT_AUTHOR_EMAIL',
  'GIT_AUTHOR_DATE',
  'GIT_COMMITTER_NAME',
  'GIT_COMMITTER_EMAIL',
  'GIT_COMMITTER_DATE',
];

/** Settings of every call; what is in a repository's own `config` file cannot undo them. */
export const safeConfig = [
  'core.hooksPath=/dev/null',
  'core.warnAmbiguousRefs=false',
  'protocol.ext.allow=never',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  'fetch.fsckObjects=false',
  'fetch.unpackLimit=1',
  'gc.auto=0',
  'maintenance.auto=false',
  'merge.renames=true',
  'merge.directoryRenames=conflict',
];

const inherited = [
  'PATH',
  'HOME',
  'TMPDIR',
  'GIT_SSL_CAINFO',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'HTTPS_PROXY',
  'NO_PROXY',
];

/** What a child of ours inherits: where programs and home are, trust roots, proxies. */
export function safeEnv(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of inherited) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return {
    ...kept,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'ssh:https:http:git:file',
    GIT_NO_REPLACE_OBJECTS: '1',
    ...env,
  };
}

/** Standard output of one git command. Throws GitExit, or the signal's reason. */
export async function git(args: readonly string[], call: GitCall): Promise<string> {
  call.signal.throwIfAborted();
  let exit: GitExit | undefined;
  const { input } = call;
  const runner = simpleGit({
    baseDir: call.dir,
    abort: call.signal,
    config: safeConfig,
    allowEnvironment: guarded,
    unsafe: {
      allowUnsafeHooksPath: true,
      allowUnsafeConfigPaths: true,
      allowUnsafeSshCommand: true,
      allowUnsafeProtocolOverride: true,
    },
    errors(error, result) {
      if (result.exitCode === 0) return undefined;
      exit = new GitExit(
        call.dir,
        args,
        result.exitCode,
        Buffer.concat(result.stdOut).toString(),
        Buffer.concat(result.stdErr).toString(),
      );
      return error ?? exit;
    },
    ...(input === undefined ? {} : { input: () => input }),
  }).env({ ...safeEnv(call.env), GIT_DIR: call.dir });
  try {
    return await runner.raw([...args]);
  } catch (caught) {
    call.signal.throwIfAborted();
    throw exit ?? new Fault('git-failed', `git could not be run: ${text(caught)}`, { cause: caught });
  }
}

function text(caught: unknown): string {
  return caught instanceof Error ? caught.message : String(caught);
}

/** What git complained about, on one line, without control characters, URLs (they may hold a secret) and paths: fit for a report. */
export function complaint(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const complaints = lines.filter((line) => /^(fatal|error|remote):/.test(line));
  const end = (complaints.length > 0 ? complaints : lines).slice(-3).join(' | ');
  const named = end.replace(/\b[a-z+]+:\/\/[^\s'"]+/g, '(URL)').replace(/(^|[\s'"])\/[^\s'"]+/g, '$1(path)');
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is replaced
  return named.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').slice(0, 400);
}

/** True when the repository itself is broken, so that only a new clone helps. */
export function isCorruption(caught: unknown): boolean {
  if (!(caught instanceof GitExit)) return false;
  return /not a git repository|bad object|object file .* is empty|is corrupt|object corrupt|missing (blob|tree|commit)|unable to (read|parse)( commit| tree| object| sha1 file| [0-9a-f]{40})|could not (read|parse) (commit|object|[0-9a-f]{40})|index-pack died|invalid sha1 pointer|invalid object|bad tree|bad packed object|cannot be accessed|not our ref [0-9a-f]{40}$|inflate: data stream error|unterminated line in .*packed-refs|unexpected line in .*packed-refs|bad config|reference broken|does not point to a valid object|commit-graph .*(corrupt|invalid|too small|signature)/i.test(
    caught.stderr,
  );
}

/** What became of a call to the world outside, as a Fault. A `retry: false` Fault is an answer: it will not get better. */
export function gitFault(caught: unknown, what: string): Fault {
  if (caught instanceof Fault) return caught;
  if (!(caught instanceof GitExit)) {
    return new Fault('git-failed', `${what}: ${text(caught)}`, { retry: true, cause: caught });
  }
  const said = caught.stderr;
  const fault = (code: Fault['code'], retry: boolean, hint: string) =>
    new Fault(code, `${what}: ${complaint(said || caught.stdout)}`, { retry, hint, cause: caught });
  if (/No space left on device|Disk quota exceeded/i.test(said)) {
    return fault('disk-full', true, 'Free space in the data directory.');
  }
  if (/host key verification failed|REMOTE HOST IDENTIFICATION/i.test(said)) {
    return fault('gerrit-host-key', true, 'Compare the host key and pin it in known_hosts.');
  }
  if (/permission denied|authentication failed|could not read (username|password)/i.test(said)) {
    return fault('gerrit-login', true, 'Check the user name and the key of this connection.');
  }
  if (
    /not found|does not exist|does not appear to be a git repository|no such project|not permitted/i.test(
      said,
    )
  ) {
    return fault('git-failed', false, 'Check that the project exists and that the CI account may read it.');
  }
  if (
    /could not read from remote|unable to access|connection (refused|reset|closed|timed out)|could not resolve|early eof|hung up|unexpected disconnect/i.test(
      said,
    )
  ) {
    return fault('gerrit-away', true, 'Gerrit or the network is away; this is tried again.');
  }
  return fault('git-failed', true, 'Run the same command by hand in the named repository.');
}
