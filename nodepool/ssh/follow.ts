import { Fault } from '../../pipelines/fault.ts';
import type { ShellExit, ShellSink } from '../../pipelines/ports.ts';
import { parseResult } from '../supervisor/result.ts';
import { giveOut, type Ticks, tickClock } from '../supervisor/ticks.ts';
import type { NodeConnection } from './connection.ts';
import { piecesOf } from './pieces.ts';
import type { RemoteProcess } from './process.ts';
import { script } from './script.ts';
import { away } from './session.ts';

/** ms without a pulse (one a second) after which a connection that still stands is given up. */
const silence = 30_000;

/** How far somebody has come; a cut connection goes on from there. */
export interface Place {
  /** Bytes of output given out. */
  position: number;
  /** Bytes of the ticks file taken. */
  heard: number;
  readonly clock: Ticks;
}

export function placeAt(offset: number): Place {
  return { position: offset, heard: 0, clock: tickClock() };
}

export type Followed =
  | { readonly kind: 'ended'; readonly exit: ShellExit }
  /** It will never end: the supervisor is gone, the machine was restarted, there is no such build. */
  | { readonly kind: 'lost'; readonly why: 'none' | 'prepared' | 'dead' | 'rebooted' };

/**
 * Follows a build over one connection with what follow.sh tells. Throws Fault `node-away` when that is cut: `place` is right,
 * and following can go on over another one.
 */
export async function followOver(
  connection: NodeConnection,
  folder: string,
  place: Place,
  sink: ShellSink,
  alive: () => void,
  signal: AbortSignal,
): Promise<Followed> {
  const process = await connection.spawn(script('follow', [folder, place.position, place.heard]), signal);
  const teller = piecesOf(process.stdout);
  let exit: ShellExit | undefined;
  let line = '';
  /** Bytes of output still to come before the next line. */
  let rest = 0;
  for (;;) {
    const chunk = await nextChunk(teller, connection);
    if (chunk === undefined) break;
    alive();
    for (let at = 0; at < chunk.length; ) {
      if (rest > 0) {
        const piece = chunk.subarray(at, at + rest);
        place.position = await giveOut(piece, place.position, place.clock, exit?.finishedAt, sink);
        rest -= piece.length;
        at += piece.length;
        if (signal.aborted) return await detach(process, signal);
        continue;
      }
      const end = chunk.indexOf(0x0a, at);
      line += chunk.toString('latin1', at, end < 0 ? chunk.length : end);
      if (end < 0) break;
      at = end + 1;
      const [kind, ...words] = line.split(' ');
      if (kind === 't') {
        place.clock.add(`${line.slice(2)}\n`);
        place.heard += line.length - 1;
      } else if (kind === 'd') {
        rest = Number(words[0]);
      } else if (kind === 'r') {
        exit = parseResult(words.join(' ')).exit;
      } else if (kind === 'x') {
        return { kind: 'lost', why: whyOf(words[0]) };
      }
      line = '';
    }
  }
  if (signal.aborted) return await detach(process, signal);
  const { code, stderr } = await process.ended;
  if (exit !== undefined && rest === 0 && code === 0) return { kind: 'ended', exit };
  throw away(`${connection.where} stopped telling of the build: ${stderr.trim() || `exit ${code}`}`);
}

/** Undefined at the end, however it came: `ended` of the process knows. */
async function nextChunk(
  teller: AsyncIterator<Buffer, void>,
  connection: NodeConnection,
): Promise<Buffer | undefined> {
  const timer = setTimeout(() => void connection.drop(), silence);
  try {
    const next = await teller.next();
    return next.done === true ? undefined : next.value;
  } finally {
    clearTimeout(timer);
  }
}

function detach(process: RemoteProcess, signal: AbortSignal): Promise<never> {
  process.kill();
  return Promise.reject(
    new Fault('stopped', 'detached from the build', { retry: true, cause: signal.reason }),
  );
}

function whyOf(word: string | undefined): (Followed & { kind: 'lost' })['why'] {
  switch (word) {
    case 'none':
    case 'prepared':
    case 'rebooted':
      return word;
    default:
      return 'dead';
  }
}
