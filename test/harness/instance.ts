import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A real Stackgate in a process of its own: started from `dist/`, watched, killed and started again. */
export interface Instance {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  /** ms from spawn to /readyz. */
  readonly readyAfter: number;
  /** Resolves when the process is gone. */
  readonly gone: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** What it wrote so far (stdout and stderr). */
  output(): string;
  kill(signal: NodeJS.Signals): Promise<void>;
  get(path: string): Promise<Response>;
}

export interface StartOptions {
  /** `server`, `scheduler`, `worker`, `launcher`; all of them when left out. */
  readonly role?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Compiled entry; another one for a copy of the code with a seeded defect. */
  readonly entry?: string;
  readonly deadline?: number;
}

export const ENTRY = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const KEPT_OUTPUT = 200_000;

/** Starts it and waits until it is ready. Rejects with its output when it ends or takes too long. */
export async function startInstance(siteFile: string, options: StartOptions = {}): Promise<Instance> {
  const began = Date.now();
  const launched = launch(siteFile, options);
  const deadline = began + (options.deadline ?? 30_000);
  try {
    return {
      ...launched,
      ...(await whenReady(siteFile, launched, deadline)),
      readyAfter: Date.now() - began,
    };
  } catch (caught) {
    await launched.kill('SIGKILL');
    throw caught;
  }
}

/** Starts it without waiting: for processes that are meant to die on the way. */
export function launch(
  siteFile: string,
  options: StartOptions = {},
): Pick<Instance, 'pid' | 'gone' | 'output' | 'kill'> {
  const child = spawn(
    process.execPath,
    [options.entry ?? ENTRY, options.role ?? 'start', '--config', siteFile],
    {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-KEPT_OUTPUT);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const gone = whenGone(child);
  return {
    pid: child.pid ?? 0,
    gone,
    output: () => output,
    async kill(signal) {
      child.kill(signal);
      await gone;
    },
  };
}

function whenGone(child: ChildProcess): Instance['gone'] {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

/** Waits until this very process answers /readyz. Rejects when it ends, or at the deadline (ms since the epoch). */
export async function whenReady(
  siteFile: string,
  launched: Pick<Instance, 'pid' | 'gone' | 'output'>,
  deadline: number,
): Promise<Pick<Instance, 'url' | 'token' | 'get' | 'pid'>> {
  const data = join(dirname(siteFile), 'data');
  let ended = false;
  void launched.gone.finally(() => {
    ended = true;
  });
  while (Date.now() < deadline) {
    if (ended) throw new Error(`stackgate ended before it was ready:\n${launched.output()}`);
    const url = addressSaid(launched.output()) ?? (await address(data, launched.pid));
    if (url !== undefined && (await isReady(url))) {
      const token = (await readFile(join(data, 'token'), 'utf8').catch(() => '')).trim();
      const get = (path: string) => fetch(new URL(path, url), { signal: AbortSignal.timeout(10_000) });
      return { url, token, get, pid: launched.pid };
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`stackgate was not ready in time:\n${launched.output()}`);
}

/** A process says where it listens; only the server says it in a file, too. */
function addressSaid(output: string): string | undefined {
  return /"url":"([^"]+)"[^\n]*"msg":"listening"/.exec(output)?.[1];
}

/** `server.json` of this very process: one of a process that was killed lies around until the next start. */
async function address(data: string, pid: number): Promise<string | undefined> {
  const text = await readFile(join(data, 'server.json'), 'utf8').catch(() => '');
  if (text === '') return undefined;
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || !('pid' in value) || value.pid !== pid) return undefined;
  return 'url' in value && typeof value.url === 'string' ? value.url : undefined;
}

async function isReady(url: string): Promise<boolean> {
  return fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.ok,
    () => false,
  );
}
