import { createServer, type Server as NetServer, type Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ServerChannel, type Session } from 'ssh2';
import { runCommand } from './commands/table.ts';
import { isKeyOf, type KeyPair } from './keys.ts';
import type { Account } from './model.ts';
import type { Site } from './site.ts';

/** The SSH door: logins by public key, exec to commands, the banner to shells; and the knobs that act on connections. */

interface Live {
  readonly socket: Socket;
  client: Connection | undefined;
  user: string | undefined;
  streaming: boolean;
  frozen: boolean;
  /** Commands that run on it. */
  readonly running: Set<AbortController>;
}

export interface Door {
  readonly port: number;
  /** Connections that are open, logged in or not. */
  readonly connections: () => number;
  /** Ends connections at once: `rst` by a TCP reset, `fin` by an orderly end of TCP without a word of SSH. */
  cut(which: 'streams' | 'all', how: 'rst' | 'fin'): void;
  /** Half-open: the connections stay up and nothing is read or answered any more; new ones get the same. */
  freeze(which: 'streams' | 'all'): void;
  /** What was kept while frozen goes out, in order. */
  thaw(): void;
  /** The server asks every client for new keys, as Gerrit does once an hour. */
  rekey(): void;
  close(): Promise<void>;
}

export interface DoorOptions {
  readonly port: number;
  readonly hostKey: KeyPair;
}

/** Gerrit does not ping its clients; ssh2 would every 15 s, and 0 does not stop it. */
const NEVER = 2 ** 31 - 1;

export async function openDoor(site: Site, options: DoorOptions): Promise<Door> {
  const lives = new Set<Live>();
  const byPort = new Map<number, Live>();
  let frozenDoor = false;

  const ident = `GerritCodeReview_${site.options.version} (APACHE-SSHD-2.12.0)`;
  const config = { hostKeys: [options.hostKey.privateKey], ident, keepaliveInterval: NEVER };
  const sshd = new ssh2.Server(config, (client, info) => {
    const live = byPort.get(info.port);
    if (live === undefined) return;
    live.client = client;
    serve(site, client, live, lives);
  });
  const net: NetServer = createServer({ noDelay: true }, (socket) => {
    const live: Live = {
      socket,
      client: undefined,
      user: undefined,
      streaming: false,
      frozen: false,
      running: new Set(),
    };
    const { remotePort } = socket;
    lives.add(live);
    if (remotePort !== undefined) byPort.set(remotePort, live);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      lives.delete(live);
      for (const command of live.running) command.abort();
      if (remotePort !== undefined) byPort.delete(remotePort);
    });
    if (frozenDoor) freezeOne(live);
    sshd.injectSocket(socket);
  });

  await new Promise<void>((resolve, reject) => {
    net.once('error', reject);
    net.listen(options.port, '127.0.0.1', resolve);
  });
  const address = net.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  const chosen = (which: 'streams' | 'all') => [...lives].filter((l) => which === 'all' || l.streaming);

  return {
    port,
    connections: () => lives.size,
    cut: (which, how) => {
      for (const { socket } of chosen(which)) {
        if (how === 'rst') socket.resetAndDestroy();
        else socket.destroy();
      }
    },
    freeze: (which) => {
      for (const live of chosen(which)) freezeOne(live);
      if (which === 'all') frozenDoor = true;
    },
    thaw: () => {
      frozenDoor = false;
      for (const live of lives) {
        if (!live.frozen) continue;
        live.frozen = false;
        live.socket.uncork();
        live.socket.resume();
      }
    },
    rekey: () => {
      for (const { client } of lives) client?.rekey();
    },
    close: async () => {
      const closed = new Promise((resolve) => net.close(resolve));
      for (const { socket } of lives) socket.destroy();
      await closed;
    },
  };
}

function freezeOne(live: Live): void {
  if (live.frozen) return;
  live.frozen = true;
  // Corked writes wait in memory and unread bytes in the kernel: TCP is alive, everything above it is mute.
  live.socket.cork();
  live.socket.pause();
}

function serve(site: Site, client: Connection, live: Live, lives: ReadonlySet<Live>): void {
  let account: Account | undefined;
  client.on('error', () => undefined);
  client.on('authentication', (context) => {
    account = authenticate(site, context);
    if (account === undefined) {
      context.reject(['publickey']);
      return;
    }
    const { username } = account;
    live.user = username;
    const others = [...lives].filter((other) => other.user === username);
    // Gerrit disconnects whoever comes on top; a client that leaks connections shuts itself out.
    if (others.length > site.options.maxConnectionsPerUser) client.end();
    else context.accept();
  });
  client.on('session', (accept) => {
    const user = account;
    if (user !== undefined) serveSession(site, user, accept(), live);
  });
}

function authenticate(site: Site, context: AuthContext): Account | undefined {
  if (context.method !== 'publickey') return undefined;
  const refused = site.faults.refuseLogins;
  if (refused === true || (Array.isArray(refused) && refused.includes(context.username))) return undefined;
  const account = site.state.accounts.get(context.username);
  if (account === undefined) return undefined;
  const { blob, signature, hashAlgo } = context;
  const proof = blob === undefined || signature === undefined ? undefined : { blob, signature, hashAlgo };
  return isKeyOf(account.keys, context.key.data, proof) ? account : undefined;
}

function serveSession(site: Site, account: Account, session: Session, live: Live): void {
  const env: Record<string, string> = {};
  // A client may want no answer to these; ssh2 then hands over nothing to answer with.
  const confirm = (accept: (() => void) | undefined) => accept?.();
  session.on('pty', (accept) => {
    confirm(accept);
  });
  session.on('env', (accept, _reject, info) => {
    env[info.key] = info.val;
    confirm(accept);
  });
  session.on('shell', (accept) => {
    const channel = accept();
    channel.stderr.write(banner(site, account));
    void finish(channel, 127, site.faults.exitLag);
  });
  session.on('exec', (accept, _reject, info) => {
    void execute(site, account, accept(), info.command, env, live);
  });
}

async function execute(
  site: Site,
  account: Account,
  channel: ServerChannel,
  command: string,
  env: Readonly<Record<string, string>>,
  live: Live,
): Promise<void> {
  site.record({ kind: 'command', command: { at: site.now(), user: account.username, command } });
  const gone = new AbortController();
  const cut = () => live.socket.resetAndDestroy();
  live.running.add(gone);
  channel.on('close', () => {
    gone.abort();
    live.running.delete(gone);
  });
  channel.on('error', () => undefined);
  channel.stderr.on('error', () => undefined);
  const { slowCommand } = site.faults;
  if (slowCommand !== null && command.startsWith(slowCommand.prefix)) {
    await new Promise((resolve) => setTimeout(resolve, slowCommand.ms));
  }
  const { failCommand, cutCommand } = site.faults;
  if (failCommand !== null && failCommand.times > 0 && command.startsWith(failCommand.prefix)) {
    failCommand.times--;
    channel.stderr.write(failCommand.stderr);
    await finish(channel, failCommand.exit, site.faults.exitLag);
    return;
  }
  if (cutCommand !== null && cutCommand.times > 0 && command.startsWith(cutCommand.prefix)) {
    cutCommand.times--;
    endAfter(channel, cutCommand.bytes, live.socket);
  }
  const streaming = /^\s*gerrit\s+stream-events\b/.test(command);
  if (streaming) live.streaming = true;
  const status = await runCommand({ site, account, channel, env, signal: gone.signal, cut }, command);
  if (streaming) live.streaming = false;
  if (!gone.signal.aborted) await finish(channel, status, site.faults.exitLag);
}

/** Lets so many bytes of output out, then ends TCP in an orderly way and says no more. */
function endAfter(channel: ServerChannel, bytes: number, socket: Socket): void {
  const write = channel.write.bind(channel);
  let left = bytes;
  channel.write = (content: unknown) => {
    if (left < 0) return true;
    const chunk = Buffer.isBuffer(content) ? content : Buffer.from(String(content));
    const part = chunk.subarray(0, left);
    left -= chunk.length;
    if (left >= 0) return write(chunk);
    write(part, () => socket.end());
    return true;
  };
}

/** End of output, then the exit status, then the end of the channel: Apache MINA's order, not OpenSSH's. */
async function finish(channel: ServerChannel, status: number, lag: number): Promise<void> {
  if (!channel.writable) return;
  await new Promise<void>((resolve) => {
    channel.once('close', resolve);
    channel.write('', () => {
      resolve();
    });
  });
  if (!channel.writable) return;
  channel.eof();
  if (lag > 0) await new Promise((resolve) => setTimeout(resolve, lag));
  if (!channel.writable) return;
  // ssh2 itself sends no exit status after an end of output.
  const outgoing: unknown = Reflect.get(channel, 'outgoing');
  if (typeof outgoing === 'object' && outgoing !== null && Reflect.get(outgoing, 'state') === 'eof') {
    Reflect.set(outgoing, 'state', 'open');
    channel.exit(status);
    Reflect.set(outgoing, 'state', 'eof');
  }
  channel.end();
}

function banner(site: Site, account: Account): string {
  const host = new URL(site.options.webUrl).hostname;
  return [
    '',
    '  ****    Welcome to Gerrit Code Review    ****',
    '',
    `  Hi ${account.name === '' ? account.username : account.name}, you have successfully connected over SSH.`,
    '',
    '  Unfortunately, interactive shells are disabled.',
    '  To clone a hosted Git repository, use:',
    '',
    `  git clone ssh://${account.username}@${host}/REPOSITORY_NAME.git`,
    '',
    '',
  ].join('\r\n');
}
