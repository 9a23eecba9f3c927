import ssh2, { type Client, type ClientChannel, type ConnectConfig } from 'ssh2';
import { Fault } from '../../pipelines/fault.ts';
import { fingerprint, keyLine, pinnedKeys } from './hostkey.ts';

/** Where a node is and who we are there. */
export interface SshTarget {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** The private key itself (OpenSSH or PEM, no passphrase). */
  readonly key: string | Buffer;
  /** `type base64`, lines of ssh-keyscan or known_hosts, or fingerprints. `scanHostKeys` asks a new node for its own. */
  readonly hostKeys: readonly string[];
  /** Run everything as root by `sudo -n`; needless when `user` is root. */
  readonly sudo?: boolean;
  /** ms until the node must have let us in; 15,000 where left out. */
  readonly connectDeadline?: number;
  /** ms between keepalives, of which three may stay unanswered; 5,000 where left out. */
  readonly keepalive?: number;
}

/** One TCP connection, logged in. */
export interface SshSession {
  /** Opens a channel for a command; `attach` gets it in the moment it opens, before anything of it can be missed. */
  exec<T>(command: string, attach: (channel: ClientChannel) => T): Promise<T>;
  /** Resolves with the reason when the connection is gone. */
  readonly ended: Promise<Fault>;
  readonly alive: boolean;
  /** Says goodbye, and cuts the connection when that takes more than a second. */
  end(): Promise<void>;
  /** Cuts the connection without a word: the only way out of a frozen one. */
  destroy(): void;
}

export function whereIs(target: Pick<SshTarget, 'address' | 'port'>): string {
  return target.address.includes(':')
    ? `[${target.address}]:${target.port}`
    : `${target.address}:${target.port}`;
}

/**
 * Connects and logs in. Faults: `node-away` (nobody there, or the connection broke), `deadline` (somebody accepted and then
 * said too little), `node-host-key`, `node-login`.
 */
export function openSession(target: SshTarget, signal: AbortSignal): Promise<SshSession> {
  const where = whereIs(target);
  const pinned = pinnedKeys(target.hostKeys, where);
  const client = new ssh2.Client();
  const deadline = target.connectDeadline ?? 15_000;
  let strange: Buffer | undefined;
  let connected = false;
  let alive = true;
  let end: (reason: Fault) => void = () => undefined;
  const ended = new Promise<Fault>((resolve) => {
    end = (reason) => {
      alive = false;
      resolve(reason);
    };
  });
  client.on('connect', () => {
    connected = true;
  });
  client.on('error', (error) => {
    end(strange === undefined ? explain(error, target) : strangeKey(strange, where));
    client.destroy();
  });
  client.on('close', () => end(away(`${where} closed the connection`)));
  return new Promise<SshSession>((resolve, reject) => {
    const settle = (act: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const giveUp = (fault: Fault) =>
      settle(() => {
        client.destroy();
        reject(fault);
      });
    const onAbort = () =>
      giveUp(new Fault('stopped', `connecting to ${where} was called off`, { retry: true }));
    const late = () =>
      giveUp(
        connected
          ? new Fault(
              'deadline',
              `${where} accepted the connection and did not let us in for ${deadline} ms`,
              {
                retry: true,
                hint: 'Is that an sshd, and does its machine still work? A full disk or dead file system looks like this.',
              },
            )
          : away(`${where} did not answer for ${deadline} ms`),
      );
    const timer = setTimeout(late, deadline);
    signal.addEventListener('abort', onAbort, { once: true });
    void ended.then(giveUp);
    client.on('ready', () =>
      settle(() => {
        client.setNoDelay(true);
        resolve(sessionOf(client, ended, () => alive, where));
      }),
    );
    if (signal.aborted) return onAbort();
    try {
      client.connect({
        host: target.address,
        port: target.port,
        username: target.user,
        privateKey: target.key,
        // Ours is the deadline: it tells nobody there from somebody silent.
        readyTimeout: 0,
        keepaliveInterval: target.keepalive ?? 5_000,
        keepaliveCountMax: 3,
        ...(pinned.algorithms === undefined ? {} : { algorithms: { serverHostKey: [...pinned.algorithms] } }),
        hostVerifier: (key: Buffer) => {
          const known = pinned.accepts(key);
          if (!known) strange = key;
          return known;
        },
      } satisfies ConnectConfig);
    } catch (caught) {
      giveUp(unreadableKey(caught, target));
    }
  });
}

function sessionOf(client: Client, ended: Promise<Fault>, isAlive: () => boolean, where: string): SshSession {
  const opening = new Set<(fault: Fault) => void>();
  void ended.then((fault) => opening.forEach((refuse) => refuse(fault)));
  return {
    exec(command, attach) {
      return new Promise((resolve, reject) => {
        const failed = (cause: unknown) => {
          opening.delete(reject);
          reject(away(`${where} opened no channel`, cause));
        };
        if (!isAlive()) return failed(undefined);
        opening.add(reject);
        try {
          client.exec(command, (error, channel) => {
            if (error !== undefined) return failed(error);
            opening.delete(reject);
            resolve(attach(channel));
          });
        } catch (caught) {
          failed(caught);
        }
      });
    },
    ended,
    get alive() {
      return isAlive();
    },
    async end() {
      client.end();
      const patience = setTimeout(() => client.destroy(), 1_000);
      await ended;
      clearTimeout(patience);
    },
    destroy: () => client.destroy(),
  };
}

export function away(message: string, cause?: unknown): Fault {
  return new Fault('node-away', message, {
    retry: true,
    hint: 'Check that the machine is up, that sshd runs there, and the network between.',
    cause,
  });
}

function strangeKey(key: Buffer, where: string): Fault {
  return new Fault(
    'node-host-key',
    `${where} presented a host key that is not pinned (${fingerprint(key)})`,
    {
      hint: `If the machine was installed anew, put this key in the place of the old one: ${keyLine(key)}; otherwise somebody sits in between.`,
    },
  );
}

function unreadableKey(caught: unknown, target: SshTarget): Fault {
  const reason = caught instanceof Error ? caught.message : String(caught);
  return new Fault('config-invalid', `the private key for ${target.user}@${whereIs(target)}: ${reason}`, {
    hint: 'OpenSSH and PEM keys of the types ed25519, ecdsa and rsa can be read, without a passphrase.',
    cause: caught,
  });
}

/** ssh2 says at which level it failed; the level decides whether waiting helps. */
function explain(error: Error & { level?: string }, target: SshTarget): Fault {
  const where = whereIs(target);
  if (error.level === 'client-authentication') {
    return new Fault('node-login', `${where} refused the login of ${target.user}`, {
      hint: `Put the public half of the key into ~${target.user}/.ssh/authorized_keys there, and see sshd's log for the reason.`,
      cause: error,
    });
  }
  if (/no matching host key format/i.test(error.message)) {
    return new Fault('node-host-key', `${where} has no host key of a type that is pinned`, {
      hint: `Compare what ssh-keyscan -p ${target.port} ${target.address} prints with the pinned keys.`,
      cause: error,
    });
  }
  const reason = error.level === 'client-timeout' ? 'keepalives stayed unanswered' : error.message;
  return away(`the connection to ${where} failed: ${reason}`, error);
}
