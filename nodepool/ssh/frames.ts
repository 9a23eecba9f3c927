import type { FolderEntry } from '../supervisor/plan.ts';

/** The form in which lay.sh and git.sh take files: words that end with NUL, content in pieces `length NUL bytes`, the last of 0. */

export function* entryFrames(entries: readonly FolderEntry[]): Iterable<Uint8Array> {
  for (const entry of entries) {
    switch (entry.kind) {
      case 'folder':
        yield words('folder', octal(entry.mode), entry.owner, entry.path);
        break;
      case 'file':
        yield words('file', octal(entry.mode), entry.owner, entry.path);
        yield* contentFrames(entry.content);
        break;
      case 'link':
        yield words('link', '-', '-', entry.path, entry.to);
        break;
    }
  }
}

export const lastFrame: Uint8Array = words('end');

export function* contentFrames(content: string | Uint8Array): Iterable<Uint8Array> {
  yield* pieceFrames(Buffer.from(content));
  yield words('0');
}

/** One file whose content is still to come. */
export async function* streamFrames(
  file: { readonly path: string; readonly mode: number },
  content: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  yield words('file', octal(file.mode), 'ours', file.path);
  for await (const piece of content) yield* pieceFrames(piece);
  yield words('0');
}

function* pieceFrames(piece: Uint8Array): Iterable<Uint8Array> {
  if (piece.length === 0) return;
  yield words(`${piece.length}`);
  yield piece;
}

function words(...all: readonly string[]): Uint8Array {
  return Buffer.from(all.map((word) => `${word}\0`).join(''));
}

function octal(mode: number): string {
  return mode.toString(8);
}
