import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { asFault } from '../../pipelines/fault.ts';
import type { CollectedFile } from '../../pipelines/ports.ts';
import { checkedPath, type JobUser } from '../supervisor/plan.ts';
import { type NodeConnection, textOf } from './connection.ts';
import { entryFrames, lastFrame, streamFrames } from './frames.ts';
import { saidBy, script } from './script.ts';

/** ms to send what a build starts with, or what a step waits for. */
const layDeadline = 10 * 60_000;

/** Lays entries down below `base`, then does `more`; answers what that said. */
export async function layDown(
  node: NodeConnection,
  base: string,
  frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  user: JobUser | undefined,
  signal: AbortSignal,
  more = '',
): Promise<string> {
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(layDeadline)]);
  const text = `${script('lay', [base, user?.uid ?? '', user?.gid ?? ''])}${more}`;
  const process = await node.spawn(text, inTime);
  const said = textOf(process, node.where);
  // A script that ended early says why; the broken pipe that follows from it does not.
  const [sent] = await Promise.allSettled([pipeline(Readable.from(frames), process.stdin), said]);
  const answer = saidBy({ ...(await process.ended), stdout: await said }, 'cannot prepare the build');
  if (sent.status === 'rejected') throw asFault(sent.reason);
  return answer;
}

/** Files for a step that waits, where it will look for them. */
export async function* givenFrames(
  step: number,
  files: AsyncIterable<CollectedFile>,
): AsyncIterable<Uint8Array> {
  const folders = new Set<string>();
  for await (const file of files) {
    const path = `given/${step}/${checkedPath(file.path)}`;
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const folder = parts.slice(0, depth).join('/');
      if (folders.has(folder)) continue;
      folders.add(folder);
      yield* entryFrames([{ kind: 'folder', path: folder, mode: 0o755, owner: 'ours' }]);
    }
    yield* streamFrames({ path, mode: 0o644 }, file.content);
  }
  yield lastFrame;
}
