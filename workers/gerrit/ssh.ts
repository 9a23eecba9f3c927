import ssh2, { type Client, type ClientChannel, type ConnectConfig } from 'ssh2';
import { backoff, Fault } from '../../pipelines/fault.ts';
import { type HostKeys, readHostKeys, unknownHostKey } from './hostkey.ts';
import { readPrivateKey } from './privatekey.ts';
import type { GerritSettings } from './settings.ts';

/**
 * One SSH connection to Gerrit.
 *
 * TCP tells nobody that a peer vanished (a firewall forgot the connection, a host lost power): without traffic both sides
 * wait for ever. Keepalives find that out within interval × count, and a command that meets its deadline makes its
 * connection suspect at once. A channel that closes without an exit status was cut: what became of the command is unknown.
 *
 * Gerrit counts refused logins and people lock accounts that knock too often: after a refusal `LoginGuard` fails fast
 * for minutes instead of asking again.
 */
export interface SshSession extends AsyncDisposable {
  /**
   * Runs a command. `attach` gets the channel in the same moment in which it opens and must attach its listeners before it
   * returns: a quick answer's exit status may lie in the same packet.
   */
  open<T>(command: string, attach: (channel: ClientChannel) => T, env?: Env): Promise<T>;
  /** A bare shell: Gerrit greets by name and hangs up. */
  shell<T>(attach: (channel: ClientChannel) => T): Promise<T>;
  /** Resolves when the connection is gone, with the reason. */
  readonly ended: Promise<Fault>;
  readonly alive: boolean;
  /** Drops the TCP connection without a word; the only way out of a frozen one. */
  destroy(): void;
}

export type Env = Readonly<Record<string, string>>;

/** Remembers refusals of one account, for every connection that uses it. */
export interface LoginGuard {
  /** Throws the last refusal while it is too early to knock again. */
  check(): void;
  refused(fault: Fault): void;
  welcomed(): void;
  /** ms until the next attempt is allowed. */
  pause(): number;
}

export function createLoginGuard(
  settings: Pick<GerritSettings, 'refusedFirst' | 'refusedMost'>,
  now: () => number = Date.now,
): LoginGuard {
  let refusals = 0;
  let until = 0;
  let last: Fault | undefined;
  return {
    check() {
      if (last === undefined || now() >= until) return;
      const seconds = Math.ceil((until - now()) / 1000);
      throw new Fault(last.code, `${last.message} (not tried again for ${seconds} s)`, { hint: last.hint });
    },
    refused(fault) {
      refusals += 1;
      last = fault;
      until = now() + backoff(refusals, settings.refusedFirst, settings.refusedMost, 1);
    },
    welcomed() {
      refusals = 0;
      last = undefined;
    },
    pause: () => (last === undefined ? 0 : Math.max(0, until - now())),
  };
}

/** A fault that more attempts cannot heal: a person has to change something first. */
export function isRefusal(fault: Fault): boolean {
  return fault.code === 'gerrit-host-key' || fault.code === 'gerrit-login';
}

export async function connectSsh(
  settings: GerritSettings,
  guard: LoginGuard,
  signal: AbortSignal,
): Promise<SshSession> {
  guard.check();
  const hostKeys = readHostKeys(settings.hostKeys, settings.host, settings.port);
  const privateKey = await readPrivateKey(settings.keyFile);
  try {
    const session = await handshake(settings, hostKeys, privateKey, signal);
    guard.welcomed();
    return session;
  } catch (caught) {
    if (caught instanceof Fault && isRefusal(caught)) guard.refused(caught);
    throw caught;
  }
}

function handshake(
  settings: GerritSettings,
  hostKeys: HostKeys,
  privateKey: Buffer,
  signal: AbortSignal,
): Promise<SshSession> {
  const client = new ssh2.Client();
  const where = `${settings.host}:${settings.port}`;
  let strange: Buffer | undefined;
  let alive = true;
  let end: (reason: Fault) => void = () => undefined;
  const ended = new Promise<Fault>((resolve) => {
    end = (reason) => {
      alive = false;
      resolve(reason);
    };
  });
  const asKnown = (error: Error): Fault =>
    strange === undefined ? explain(error, settings) : unknownHostKey(strange, settings.host, settings.port);
  client.on('error', (error) => {
    end(asKnown(error));
    client.destroy();
  });
  client.on('close', () =>
    end(new Fault('gerrit-away', `the connection to ${where} was closed`, { retry: true })),
  );
  return new Promise<SshSession>((resolve, reject) => {
    const giveUp = (fault: Fault) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      client.destroy();
      reject(fault);
    };
    const onAbort = () => giveUp(new Fault('stopped', `connecting to ${where} was called off`));
    const timer = setTimeout(
      () => giveUp(new Fault('gerrit-away', `${where} did not greet us in time`, { retry: true })),
      settings.readyTimeout,
    );
    signal.addEventListener('abort', onAbort);
    void ended.then(giveUp);
    client.on('ready', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      client.setNoDelay(true);
      resolve(session(client, ended, () => alive, where));
    });
    if (signal.aborted) return onAbort();
    client.connect({
      host: settings.host,
      port: settings.port,
      username: settings.user,
      privateKey,
      readyTimeout: settings.readyTimeout,
      keepaliveInterval: settings.keepalive,
      keepaliveCountMax: settings.keepaliveCount,
      ...(hostKeys.algorithms === undefined
        ? {}
        : { algorithms: { serverHostKey: [...hostKeys.algorithms] } }),
      hostVerifier: (key: Buffer) => {
        const known = hostKeys.accepts(key);
        if (!known) strange = key;
        return known;
      },
    } satisfies ConnectConfig);
  });
}

function session(client: Client, ended: Promise<Fault>, isAlive: () => boolean, where: string): SshSession {
  const opening = new Set<(fault: Fault) => void>();
  void ended.then((fault) => opening.forEach((refuse) => refuse(fault)));
  type Ask = (done: (error: Error | undefined, channel: ClientChannel) => void) => void;
  const channel = <T>(ask: Ask, attach: (channel: ClientChannel) => T) =>
    new Promise<T>((resolve, reject) => {
      const failed = (cause: unknown) =>
        reject(new Fault('gerrit-away', `${where} opened no channel`, { retry: true, cause }));
      if (!isAlive()) failed(undefined);
      opening.add(reject);
      try {
        ask((error, opened) => {
          opening.delete(reject);
          if (error === undefined) resolve(attach(opened));
          else failed(error);
        });
      } catch (caught) {
        opening.delete(reject);
        failed(caught);
      }
    });
  return {
    open: (command, attach, env) =>
      channel((done) => client.exec(command, { env: { ...env } }, done), attach),
    shell: (attach) => channel((done) => client.shell(false, done), attach),
    ended,
    get alive() {
      return isAlive();
    },
    destroy: () => client.destroy(),
    async [Symbol.asyncDispose]() {
      client.end();
      const patience = setTimeout(() => client.destroy(), 1_000);
      await ended;
      clearTimeout(patience);
    },
  };
}

/** ssh2 says at which level it failed; the level decides whether waiting helps. */
function explain(error: Error & { level?: string; code?: string }, settings: GerritSettings): Fault {
  const where = `${settings.host}:${settings.port}`;
  if (error.level === 'client-authentication')
    return new Fault('gerrit-login', `${where} refused the login of ${settings.user}`, {
      hint: `Check that the public half of ${settings.keyFile} is among the SSH keys of the Gerrit account ${settings.user}, and that the account is active.`,
      cause: error,
    });
  if (/no matching host key format/i.test(error.message))
    return new Fault('gerrit-host-key', `${where} has no host key of a type that is pinned`, {
      hint: `Ask the server for its keys (ssh-keyscan -p ${settings.port} ${settings.host}), compare them with the published fingerprints and pin one.`,
      cause: error,
    });
  const reason = error.level === 'client-timeout' ? 'no answer to keepalives' : error.message;
  return new Fault('gerrit-away', `the connection to ${where} failed: ${reason}`, {
    retry: true,
    hint: 'Stackgate reconnects by itself; if it lasts, check the network and the Gerrit server.',
    cause: error,
  });
}
