import type { Readable } from 'node:stream';
import { type AntPattern, antMatches, antPattern } from '../../jobs/ant.ts';
import { Fault } from '../../pipelines/fault.ts';
import type { CollectedFile } from '../../pipelines/ports.ts';
import type { NodeConnection } from './connection.ts';
import type { RemoteProcess } from './process.ts';
import { script } from './script.ts';
import { away } from './session.ts';

/**
 * Files of a hostile workspace on a node, by the same rules as on this machine (collect.ts): a script there opens each file,
 * asks the kernel what it opened, and only then sends it.
 *
 * Not by sftp: its server opens whatever a name leads to, cannot say where that was nor how many names it has, hangs on a
 * fifo, and runs as the account that logs in, which need not be the one that may read the job's files.
 */

/** Names longer in all than this are a workspace gone wild. */
const mostNames = 1_000_000;
const mostMatches = 200_000;

/** Paths that match, sorted, so that asking again answers the same. All of them, or a Fault. */
export async function listFiles(
  connection: Pick<NodeConnection, 'spawn' | 'where'>,
  workspace: string,
  include: readonly string[],
  exclude: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const wanted = include.map(antPattern);
  const unwanted = exclude.map(antPattern);
  const process = await connection.spawn(script('collect', ['list', workspace, ...startsOf(wanted)]), signal);
  process.stdin.end();
  const found = new Set<string>();
  let names = 0;
  for await (const name of wordsOf(process.stdout)) {
    if ((names += 1) > mostNames || found.size >= mostMatches) {
      process.kill();
      break;
    }
    const path = name.replace(/^(?:\.\/)+/, '');
    // Names that are no UTF-8 came out changed and could not be opened again.
    if (path === '' || path.includes('\ufffd')) continue;
    if (!wanted.some((pattern) => antMatches(pattern, path))) continue;
    if (!unwanted.some((pattern) => antMatches(pattern, path))) found.add(path);
  }
  if (names <= mostNames && found.size < mostMatches) await wholeList(process, connection.where);
  return [...found].sort();
}

const buildIsGone = 3;

async function wholeList(process: RemoteProcess, where: string): Promise<void> {
  const { code, signal } = await process.ended;
  if (code === 0) return;
  if (code === buildIsGone) {
    throw new Fault('node-lost', `the build is not on ${where} any more`, {
      hint: 'Was the machine installed anew, or its workspace emptied?',
    });
  }
  throw away(`${where} broke off a list of files: ${signal ?? `exit ${code}`}`);
}

/** The folders to look in: whole workspaces of DevStack hold half a million files, and `logs/**` needs none of them. */
function startsOf(patterns: readonly AntPattern[]): string[] {
  const starts = patterns.map(([first = '**']) => (/[*?]/.test(first) ? '.' : first));
  if (starts.includes('.')) return ['.'];
  return [...new Set(starts)].filter((start) => start !== '' && start !== '..');
}

async function* wordsOf(stream: Readable): AsyncIterable<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    if (!(chunk instanceof Buffer)) continue;
    let all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = all.indexOf(0); end >= 0; end = all.indexOf(0)) {
      yield all.toString('utf8', 0, end);
      all = all.subarray(end + 1);
    }
    rest = all;
  }
}

/** One after the other, each asked for while the one before is read. */
export async function* readFiles(
  connection: NodeConnection,
  workspace: string,
  owner: number | undefined,
  paths: readonly string[],
  signal: AbortSignal,
): AsyncIterable<CollectedFile> {
  if (paths.length === 0) return;
  const process = await connection.spawn(script('collect', ['read', workspace, owner ?? '']), signal);
  try {
    const answers = answersOf(process, connection.where);
    process.stdin.write(`?${paths[0]}\0`);
    for (const [index, path] of paths.entries()) {
      const size = await answers.size();
      const next = paths[index + 1];
      const askNext = () => next !== undefined && process.stdin.write(`?${next}\0`);
      if (size === undefined) {
        askNext();
        continue;
      }
      let asked = false;
      const content = async function* (): AsyncIterable<Uint8Array> {
        if (asked) return;
        asked = true;
        process.stdin.write('=\0');
        askNext();
        yield* answers.bytes(size);
      };
      yield { path, size, content: content() };
      if (asked) await answers.rest();
      else askNext();
    }
    process.stdin.end();
  } finally {
    process.kill();
  }
}

interface Answers {
  size(): Promise<number | undefined>;
  bytes(length: number): AsyncIterable<Uint8Array>;
  /** Passes over what of the last file was not read. */
  rest(): Promise<void>;
}

function answersOf(process: RemoteProcess, where: string): Answers {
  const chunks = process.stdout[Symbol.asyncIterator]();
  let buffer = Buffer.alloc(0);
  let owed = 0;
  const more = async () => {
    const next: IteratorResult<unknown> = await chunks.next();
    if (next.done === true || !(next.value instanceof Buffer)) throw away(`${where} broke off a file`);
    return next.value;
  };
  async function* bytes(length: number): AsyncIterable<Uint8Array> {
    owed = length;
    while (owed > 0) {
      if (buffer.length === 0) buffer = await more();
      const piece = buffer.subarray(0, owed);
      buffer = buffer.subarray(piece.length);
      owed -= piece.length;
      yield piece;
    }
  }
  return {
    async size() {
      let end = buffer.indexOf(0x0a);
      while (end < 0) {
        buffer = Buffer.concat([buffer, await more()]);
        end = buffer.indexOf(0x0a);
      }
      const [word, size] = buffer.toString('latin1', 0, end).split(' ');
      buffer = buffer.subarray(end + 1);
      return word === 'file' ? Number(size) : undefined;
    },
    bytes,
    async rest() {
      const left = bytes(owed)[Symbol.asyncIterator]();
      while ((await left.next()).done !== true);
    },
  };
}
