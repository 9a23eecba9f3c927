import { spawn } from 'node:child_process';
import { reasonOf } from './timer.ts';

/** The site's own executables: an argument list, JSON in, JSON out, no shell. */

export type ProgramEnd =
  /** `said`: the last line it wrote to its error output. */
  | { readonly kind: 'ended'; readonly code: number; readonly stdout: string; readonly said: string }
  | { readonly kind: 'missing'; readonly reason: string };

/** No room now (sysexits' EX_TEMPFAIL), and never like this (EX_CONFIG). */
export const noRoom = 75;
export const neverLikeThis = 78;

const mostOutput = 16 * 1024 * 1024;
const grace = 5000;

/**
 * Runs a program to its end. Aborting sends it SIGTERM, five seconds later SIGKILL, and rejects at once: what it did until then
 * nobody knows.
 */
export function runProgram(
  argv: readonly string[],
  input: unknown,
  signal: AbortSignal,
): Promise<ProgramEnd> {
  const [file = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(reasonOf(signal));
      return;
    }
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    const kill = () => {
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), grace).unref();
      reject(reasonOf(signal));
    };
    signal.addEventListener('abort', kill, { once: true });
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
      if (stdout.length > mostOutput) child.kill('SIGKILL');
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr = (stderr + chunk).slice(-4096);
    });
    // A program that reads nothing is none the worse for it.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input === undefined ? '' : `${JSON.stringify(input)}\n`);
    child.once('error', (error) => {
      signal.removeEventListener('abort', kill);
      resolve({ kind: 'missing', reason: `cannot run ${file}: ${error.message}` });
    });
    child.once('close', (code, ended) => {
      signal.removeEventListener('abort', kill);
      const said =
        lastLine(stderr) ?? (ended === null ? `${file} ended with ${code}` : `${file} died of ${ended}`);
      resolve({ kind: 'ended', code: code ?? 128, stdout, said });
    });
  });
}

function lastLine(text: string): string | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines
    .at(-1)
    ?.replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, 500);
}
