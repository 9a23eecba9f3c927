import { asFault, Fault } from '../../pipelines/fault.ts';
import type { RemoteRun } from '../remote.ts';
import { asRoot, stillRuns } from './script.ts';

/** A node of a set that we can run scripts on. */
export interface Reachable {
  readonly name: string;
  readonly remote: RemoteRun;
}

export type Said =
  | { readonly kind: 'said'; readonly stdout: string }
  | { readonly kind: 'failed'; readonly node: string; readonly reason: string };

export interface Failure {
  readonly node: string;
  readonly reason: string;
}

/** Runs a script as root. A node that does not do it is a value; only the end of `signal` throws. */
export async function onNode(
  node: Reachable,
  lines: readonly string[],
  signal: AbortSignal,
  deadline = 60_000,
): Promise<Said> {
  const { script, input } = asRoot(lines);
  return await said(node, signal, () => node.remote.run(script, { signal, input, deadline }));
}

/** What a run came to, in words. */
export async function said(
  node: Reachable,
  signal: AbortSignal,
  run: () => ReturnType<RemoteRun['run']>,
): Promise<Said> {
  signal.throwIfAborted();
  try {
    const { code, signal: killed, stdout, stderr } = await run();
    if (code === 0) return { kind: 'said', stdout };
    return { kind: 'failed', node: node.name, reason: reasonOf(code, killed, stderr) };
  } catch (error) {
    signal.throwIfAborted();
    const fault = asFault(error);
    if (fault.code === 'bug') throw fault;
    return { kind: 'failed', node: node.name, reason: fault.message };
  }
}

/** Does something for every node at once and answers in their order; never leaves one behind running. */
export async function onAll<N extends Reachable>(
  nodes: readonly N[],
  what: (node: N) => Promise<Said>,
): Promise<{ readonly failures: readonly Failure[]; readonly said: readonly string[] }> {
  const settled = await Promise.allSettled(nodes.map(what));
  const broken = settled.find((each) => each.status === 'rejected');
  if (broken !== undefined)
    throw broken.reason instanceof Error ? broken.reason : new Fault('bug', String(broken.reason));
  const answers = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  return {
    failures: answers.flatMap((each) =>
      each.kind === 'failed' ? [{ node: each.node, reason: each.reason }] : [],
    ),
    said: answers.map((each) => (each.kind === 'said' ? each.stdout : '')),
  };
}

function reasonOf(code: number | null, killed: string | null, stderr: string): string {
  if (code === stillRuns) return 'a script that was sent before still runs there';
  return lastLine(stderr) ?? `its script ended with ${killed ?? `exit ${code}`}`;
}

function lastLine(text: string): string | undefined {
  const line = text
    .split('\n')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .at(-1);
  return line?.slice(0, 500);
}
