import { join } from 'node:path';
import { findBuild } from './builds.ts';
import { findLog, readLog } from './logfile.ts';
import type { ServerPorts } from './ports.ts';

type Sources = Pick<ServerPorts, 'history' | 'live' | 'logs'>;

/** ms between looks at a build that is followed. */
const look = 1_000;

/** What is in the console now, from byte `offset` on. Nothing, when there is none (yet, or any more). */
export async function* consoleNow(
  { logs }: Sources,
  segments: readonly string[],
  offset: number,
): AsyncIterable<Uint8Array> {
  const target = await findLog(logs.root, [...segments, 'console.txt']);
  if (target.kind !== 'file') return;
  const source = readLog(target.path, target.gzip);
  let left = offset;
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      if (chunk.length > left) yield chunk.subarray(left);
      left = Math.max(0, left - chunk.length);
    }
  } finally {
    source.destroy();
  }
}

/**
 * The console from byte `offset` on until it ends. It ends with the logs; where those never become final (the node was lost,
 * the operator's retention was faster) some time after the build.
 */
export async function* consoleToEnd(
  sources: Sources,
  uuid: string,
  segments: readonly string[],
  offset: number,
  gone: AbortSignal,
): AsyncIterable<Uint8Array> {
  const over = new AbortController();
  const grace = sources.logs.grace ?? 15_000;
  let endedAt: number | undefined;
  const check = async () => {
    if (endedAt === undefined && (await hasEnded(sources, uuid))) endedAt = performance.now();
    if (endedAt !== undefined && performance.now() - endedAt >= grace) over.abort();
  };
  // A database that is away for a moment is asked again at the next look.
  const watch = setInterval(() => void check().catch(() => {}), Math.min(look, grace));
  try {
    const signal = AbortSignal.any([gone, over.signal]);
    yield* sources.logs.follow(join(sources.logs.root, ...segments), offset, signal);
  } finally {
    clearInterval(watch);
  }
}

async function hasEnded(sources: Sources, uuid: string): Promise<boolean> {
  const { state } = (await findBuild(sources, uuid)).build;
  return state === 'finished' || state === 'canceled';
}
