import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';

/** Environment for git: nothing of the machine's or the user's configuration leaks in. */
export const GIT_ENV: NodeJS.ProcessEnv = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_MERGE_AUTOEDIT: 'no',
  LC_ALL: 'C',
};

export interface Output {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs git to its end. A status other than 0 is a value, not an exception. */
export async function runGit(cwd: string, args: readonly string[], stdin?: Buffer | string): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', args, { cwd, env: GIT_ENV });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({
        code: code ?? 128,
        stdout: Buffer.concat(out),
        stderr: Buffer.concat(err).toString(),
      });
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
  });
}

/**
 * A git process that answers one request after another (`cat-file --batch`, `diff-tree --stdin`, `update-ref --stdin`), so that
 * a request costs a pipe round trip instead of a fork. It starts when it is needed and ends when nobody asked for a while.
 */
export class GitSession {
  readonly #cwd: string;
  readonly #args: readonly string[];
  #child: ChildProcessWithoutNullStreams | undefined;
  #received: Buffer = Buffer.alloc(0);
  #wanted: { take: (bytes: Buffer) => number; fail: (error: Error) => void }[] = [];
  #idle: NodeJS.Timeout | undefined;

  constructor(cwd: string, args: readonly string[]) {
    this.#cwd = cwd;
    this.#args = args;
  }

  /** Sends a request. `parse` looks at all bytes received since the last answer: undefined says that more must come. */
  async ask<T>(
    request: string,
    parse: (bytes: Buffer) => { value: T; used: number } | undefined,
  ): Promise<T> {
    const child = (this.#child ??= this.#start());
    clearTimeout(this.#idle);
    return new Promise<T>((resolve, reject) => {
      this.#wanted.push({
        take: (bytes) => {
          const answer = parse(bytes);
          if (answer === undefined) return -1;
          resolve(answer.value);
          return answer.used;
        },
        fail: reject,
      });
      child.stdin.write(request);
    });
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#child?.stdin.end();
    this.#child = undefined;
  }

  #start(): ChildProcessWithoutNullStreams {
    const child = spawn('git', this.#args, { cwd: this.#cwd, env: GIT_ENV });
    let stderr = '';
    child.stdin.on('error', () => undefined);
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdout.on('data', (chunk: Buffer) => {
      if (this.#child !== child) return;
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#deliver();
    });
    const ended = (reason: string) => {
      // One that was put away for idleness ends later, when another may be answering already.
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#received = Buffer.alloc(0);
      for (const { fail } of this.#wanted.splice(0)) fail(new Error(reason));
    };
    child.on('error', (error) => ended(error.message));
    child.on('close', () => ended(stderr.trim() || `git ${this.#args[0] ?? ''} ended`));
    return child;
  }

  #deliver(): void {
    for (let next = this.#wanted[0]; next !== undefined; next = this.#wanted[0]) {
      const used = next.take(this.#received);
      if (used < 0) return;
      this.#received = this.#received.subarray(used);
      this.#wanted.shift();
    }
    this.#idle = setTimeout(() => {
      this.close();
    }, 3000);
    this.#idle.unref();
  }
}
