import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientChannel } from 'ssh2';
import { asFault, backoff, Fault } from '../../pipelines/fault.ts';
import type { RemoteRun, RunOptions, RunResult } from '../remote.ts';
import { begun, commandLine, processOn, type RemoteProcess } from './process.ts';
import { openSession, type SshSession, type SshTarget, whereIs } from './session.ts';

/** sshd allows ten sessions in a connection (MaxSessions) unless told otherwise. */
const channels = 8;
/** How often sshd may refuse a channel before we believe it. */
const refusals = 100;
/** Characters of an answer that is read as a whole. */
const mostOutput = 16 * 1024 * 1024;

/**
 * The way to one node: connects when asked for something, again when the connection is gone, and less and less often while
 * the node stays away. Nothing is repeated: whether a script ran when its connection was cut, only its author can ask.
 */
export class NodeConnection implements RemoteRun, AsyncDisposable {
  readonly target: SshTarget;
  readonly where: string;
  #session: Promise<SshSession> | undefined;
  #failures = 0;
  #notBefore = 0;
  #open = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #closing = new AbortController();

  constructor(target: SshTarget) {
    this.target = target;
    this.where = `${target.user}@${whereIs(target)}`;
  }

  async run(script: string, options: RunOptions): Promise<RunResult> {
    const late = AbortSignal.timeout(options.deadline);
    const signal = AbortSignal.any([options.signal, late]);
    try {
      return await abortable(this.#answer(script, options.input ?? '', signal), signal);
    } catch (caught) {
      if (options.signal.aborted) {
        throw new Fault('stopped', `a command on ${this.where} was called off`, {
          retry: true,
          cause: caught,
        });
      }
      if (!late.aborted) throw asFault(caught);
      throw new Fault('deadline', `a command on ${this.where} took longer than ${options.deadline} ms`, {
        retry: true,
        hint: 'Is the machine overloaded, or does its disk hang?',
        cause: caught,
      });
    }
  }

  async #answer(script: string, input: Uint8Array | string, signal: AbortSignal): Promise<RunResult> {
    const process = await this.spawn(script, signal);
    process.stdin.end(input);
    const stdout = await textOf(process, this.where);
    return { ...(await process.ended), stdout };
  }

  /** Starts a script and hands out its ends. `signal` gives it up, also later. */
  async spawn(script: string, signal: AbortSignal): Promise<RemoteProcess> {
    const sudo = this.target.sudo === true && this.target.user !== 'root';
    const free = await this.#place(signal);
    try {
      const process = await this.#openChannel(commandLine(sudo), signal, (channel) => {
        const opened = processOn(channel, script, this.where);
        void giveUpWith(opened, signal, free);
        return opened;
      });
      await abortable(begun(process, this.where), signal);
      return process;
    } catch (caught) {
      free();
      throw caught;
    }
  }

  /**
   * sshd counts a session until the last process of it is gone, which may be after we heard of its end, and a site may allow
   * fewer than we take (MaxSessions). A channel that was refused ran nothing: it is asked for again.
   */
  async #openChannel<T>(
    command: string,
    signal: AbortSignal,
    attach: (channel: ClientChannel) => T,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const session = await this.connect(signal);
      try {
        return await abortable(session.exec(command, attach), signal);
      } catch (caught) {
        if (!session.alive || signal.aborted || attempt >= refusals) throw caught;
      }
      await sleep(Math.min(25 * attempt, 250), undefined, { signal });
    }
  }

  /** The session, a new one if need be. Fails at once, without knocking, only when closed. */
  connect(signal: AbortSignal): Promise<SshSession> {
    if (this.#closing.signal.aborted) {
      return Promise.reject(
        new Fault('stopped', `the connection to ${this.where} is closed`, { retry: true }),
      );
    }
    this.#session ??= this.#knock();
    return abortable(this.#session, signal);
  }

  async #knock(): Promise<SshSession> {
    const { signal } = this.#closing;
    try {
      await sleep(Math.max(0, this.#notBefore - performance.now()), undefined, { signal });
      const session = await openSession(this.target, signal);
      this.#failures = 0;
      void this.#forgetWhenGone(session);
      return session;
    } catch (caught) {
      this.#session = undefined;
      this.#failures += 1;
      this.#notBefore = performance.now() + backoff(this.#failures, 250, 15_000, Math.random());
      throw asFault(caught);
    }
  }

  async #forgetWhenGone(session: SshSession): Promise<void> {
    await session.ended;
    this.#session = undefined;
  }

  /** A place for one more channel; answers how to give it back. */
  async #place(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#open >= channels) {
      let wake: () => void = () => undefined;
      const turn = new Promise<void>((resolve) => {
        wake = resolve;
        this.#waiting.push(wake);
      });
      try {
        await abortable(turn, signal);
      } catch (caught) {
        const at = this.#waiting.indexOf(wake);
        if (at >= 0) this.#waiting.splice(at, 1);
        else this.#next();
        throw caught;
      }
    } else {
      this.#open += 1;
    }
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#next();
    };
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#open -= 1;
    else next();
  }

  /** Cuts the connection: what runs over it fails with `node-away`, and the next call connects anew. */
  async drop(): Promise<void> {
    const session = await this.#session?.catch(() => undefined);
    session?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Fault('stopped', `the connection to ${this.where} is closed`, { retry: true }));
    const session = await this.#session?.catch(() => undefined);
    await session?.end();
  }
}

/** Kills the process when `signal` aborts, and calls `done` when it has ended, however. */
async function giveUpWith(process: RemoteProcess, signal: AbortSignal, done: () => void): Promise<void> {
  const kill = () => process.kill();
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  await process.ended.catch(() => undefined);
  signal.removeEventListener('abort', kill);
  done();
}

/** All of what a process says; too much is a bug of its script. */
export async function textOf(process: RemoteProcess, where: string): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdout) {
    if (!(chunk instanceof Buffer)) continue;
    length += chunk.length;
    if (length > mostOutput) {
      process.kill();
      throw new Fault('bug', `a command on ${where} said more than ${mostOutput} bytes`);
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Waits for `what`, which goes on when `signal` aborts. */
function abortable<T>(what: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(asFault(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    what.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
