import type { Duplex } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { asFault, Fault } from '../../pipelines/fault.ts';
import type { GerritSettings } from './settings.ts';
import { connectSsh, type LoginGuard, type SshSession } from './ssh.ts';
import type { Begin } from './transport.ts';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecOptions {
  readonly signal: AbortSignal;
  readonly stdin?: string;
  /** ms; the connection's default otherwise. */
  readonly deadline?: number;
  /** True for commands that change nothing: after a cut connection they are sent once more. */
  readonly repeatable?: boolean;
  /** Called when it is its turn; what it answers is called when the channel stands, before any input is sent. */
  readonly begin?: Begin | undefined;
}

/**
 * Commands on one pooled connection that is opened when needed and opened again when lost.
 *
 * `exec` may overlap; a few run at once, the rest wait in line. It throws a Fault when no exit status came back: then
 * nobody knows whether the command took effect. A command that met its deadline retires its connection: others in flight
 * may finish on it, new ones get a fresh one.
 */
export interface Commands extends AsyncDisposable {
  exec(command: string, options: ExecOptions): Promise<CommandResult>;
  /** A raw channel, for git, and what came on its standard error. */
  channel(command: string, env: Readonly<Record<string, string>>): Promise<Duplex & { complaint(): string }>;
  /** What Gerrit says to somebody who opens a shell: `Hi NAME, you have successfully connected over SSH.` */
  greeting(signal: AbortSignal): Promise<string>;
}

const MAX_STDOUT = 64 * 1024 * 1024;
const MAX_STDERR = 256 * 1024;

/** One connection and who uses it. A retired one takes no new command and ends with its last. */
interface Pooled {
  readonly opening: Promise<SshSession>;
  running: number;
  retired: boolean;
}

export function openCommands(settings: GerritSettings, guard: LoginGuard): Commands {
  const closing = new AbortController();
  const pool = new Set<Pooled>();
  const line: (() => void)[] = [];
  let busy = 0;
  let current: Pooled | undefined;

  function connection(): Pooled {
    if (closing.signal.aborted) throw new Fault('stopped', 'the connection is closed');
    if (current !== undefined && !current.retired) return current;
    const made: Pooled = { opening: connectSsh(settings, guard, closing.signal), running: 0, retired: false };
    pool.add(made);
    current = made;
    void watch(made);
    return made;
  }

  async function watch(made: Pooled): Promise<void> {
    try {
      await (await made.opening).ended;
    } catch {
      // Whoever asked for this connection hears why it did not open.
    }
    made.retired = true;
    pool.delete(made);
  }

  async function once(command: string, options: ExecOptions, progress: Progress): Promise<CommandResult> {
    const ready = await options.begin?.();
    const used = connection();
    used.running += 1;
    const deadline = options.deadline ?? settings.commandDeadline;
    const open: Open = async (attach) => (await used.opening).open(command, attach);
    try {
      return await converse(open, command, { ...options, deadline }, progress, ready);
    } catch (caught) {
      if (caught instanceof Fault && caught.code === 'deadline') used.retired = true;
      throw caught;
    } finally {
      leave(used);
    }
  }

  /** The last one turns off the light. */
  function leave(used: Pooled): void {
    used.running -= 1;
    if (used.retired && used.running === 0)
      void used.opening.then((opened) => opened.destroy()).catch(() => undefined);
  }

  async function exec(command: string, options: ExecOptions): Promise<CommandResult> {
    await turn(options.signal);
    const progress: Progress = { sent: false };
    try {
      return await once(command, options, progress);
    } catch (caught) {
      const lost = caught instanceof Fault && caught.code === 'gerrit-away';
      const harmless = options.repeatable === true || !progress.sent;
      if (!lost || !harmless || options.signal.aborted) throw caught;
      return await once(command, options, progress);
    } finally {
      const next = line.shift();
      if (next === undefined) busy -= 1;
      else next();
    }
  }

  /** Waits in line; the place of one who leaves passes on to the next. */
  async function turn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new Fault('stopped', 'the command was called off');
    if (busy < settings.commandConcurrency) {
      busy += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        const place = line.indexOf(go);
        if (place < 0) return;
        line.splice(place, 1);
        reject(new Fault('stopped', 'the command was called off'));
      };
      const go = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      line.push(go);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  return {
    exec,
    async channel(command, env) {
      const used = connection();
      used.running += 1;
      const attach = (channel: ClientChannel) => {
        channel.once('close', () => leave(used));
        channel.on('error', () => undefined);
        // Standard error is read, or the channel would stall; what Gerrit says there is why it refuses.
        let complaint = '';
        channel.stderr.on('data', (chunk: Buffer) => {
          complaint = `${complaint}${chunk.toString()}`.slice(0, 500);
        });
        return Object.assign(channel, { complaint: () => complaint });
      };
      try {
        return await (await used.opening).open(command, attach, env);
      } catch (caught) {
        leave(used);
        throw caught;
      }
    },
    async greeting(signal) {
      const used = connection();
      const open: Open = async (attach) => (await used.opening).shell(attach);
      const options = { signal, deadline: settings.commandDeadline };
      const { stdout, stderr } = await converse(open, 'shell', options, { sent: false });
      return stderr + stdout;
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await Promise.allSettled(
        [...pool].map(async (used) => {
          const opened = await used.opening;
          if (used.running > 0) opened.destroy();
          else await opened[Symbol.asyncDispose]();
        }),
      );
    },
  };
}

interface Conversation {
  readonly channel: ClientChannel;
  readonly result: Promise<CommandResult>;
}

type Open = (attach: (channel: ClientChannel) => Conversation) => Promise<Conversation>;

interface Progress {
  /** True once Gerrit may have begun to run the command. */
  sent: boolean;
}

/** Runs one channel from opening to exit status, with caps, deadline and signal. */
async function converse(
  open: Open,
  command: string,
  options: ExecOptions & { readonly deadline: number },
  progress: Progress,
  ready?: () => void,
): Promise<CommandResult> {
  const name = command.split(' ', 2).join(' ');
  let interrupt: (fault: Fault) => void = () => undefined;
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = reject;
  });
  interrupted.catch(() => undefined);
  const onAbort = () => interrupt(new Fault('stopped', `${name} was called off`));
  const late = () =>
    interrupt(new Fault('deadline', `${name} did not answer within ${options.deadline} ms`, { retry: true }));
  if (options.signal.aborted) onAbort();
  options.signal.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(late, options.deadline);
  const opening = open((channel) => {
    try {
      ready?.();
    } catch (caught) {
      channel.close();
      return { channel, result: Promise.reject(asFault(caught)) };
    }
    progress.sent = true;
    return { channel, result: collect(channel, name, options.stdin ?? '') };
  });
  try {
    const { result } = await Promise.race([opening, interrupted]);
    return await Promise.race([result, interrupted]);
  } catch (caught) {
    void closeOnceOpen(opening);
    throw caught;
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', onAbort);
  }
}

async function closeOnceOpen(opening: Promise<Conversation>): Promise<void> {
  try {
    const { channel, result } = await opening;
    channel.close();
    await result;
  } catch {
    // It never opened, or its connection is gone already.
  }
}

function collect(channel: ClientChannel, name: string, stdin: string): Promise<CommandResult> {
  return new Promise<CommandResult>((resolve, reject) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let out = 0;
    let err = 0;
    let code: number | undefined;
    channel.on('data', (chunk: Buffer) => {
      out += chunk.length;
      if (out <= MAX_STDOUT) stdout.push(chunk);
      else reject(new Fault('gerrit-protocol', `${name} answered more than ${MAX_STDOUT} bytes`));
    });
    channel.stderr.on('data', (chunk: Buffer) => {
      err += chunk.length;
      if (err <= MAX_STDERR) stderr.push(chunk);
    });
    channel.on('exit', (status: number | null) => {
      code = status ?? 255;
    });
    channel.on('error', () => undefined);
    channel.on('close', () => {
      if (code !== undefined) resolve({ code, stdout: text(stdout), stderr: text(stderr) });
      else
        reject(new Fault('gerrit-away', `the connection was cut before ${name} answered`, { retry: true }));
    });
    // Gerrit's SSH server ends the output first and sends the exit status after it. A channel that is ended on both sides is
    // closed by Node, and Gerrit says nothing more on a closed channel. So our side only says that no more input comes.
    if (stdin === '') channel.eof();
    else channel.write(stdin, () => channel.eof());
  });
}

function text(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}

/** A command that failed, as a Fault. */
export function commandFault(name: string, result: CommandResult): Fault {
  const said = printable(result.stderr.trim() || result.stdout.trim() || `exit status ${result.code}`).slice(
    0,
    500,
  );
  if (/\bnot permitted\b/.test(said))
    return new Fault('gerrit-permission', `${name}: ${said}`, {
      hint: 'Ask the Gerrit administrators for the missing right (stream-events needs the global capability Stream Events).',
    });
  if (/internal server error|timed? ?out|lock failure|LOCK_FAILURE/i.test(said))
    return new Fault('gerrit-away', `${name}: ${said}`, { retry: true });
  return new Fault('gerrit-refused', `${name}: ${said}`);
}

function printable(said: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is replaced
  return said.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g, ' ');
}
