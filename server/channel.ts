import { brokenLetter, wholeLetters } from './letters.ts';
import { frameOf } from './stream.ts';

/** A piece of a console, ready to be sent: made once, however many read along. */
export interface Piece {
  /** Bytes of the console, from and to. */
  readonly from: number;
  readonly to: number;
  readonly bytes: Buffer;
  /** As a server-sent event. */
  readonly frame: Buffer;
}

export function pieceOf(bytes: Buffer, from: number): Piece {
  const to = from + bytes.length;
  return { from, to, bytes, frame: Buffer.from(frameOf(to, { text: bytes.toString('utf8') })) };
}

/** Whole letters of a stream of bytes that begins at `offset`, as pieces. */
export async function* piecesOf(chunks: AsyncIterable<Uint8Array>, offset: number): AsyncIterable<Piece> {
  let held: Buffer = Buffer.alloc(0);
  let at = offset;
  let begun = false;
  for await (const chunk of chunks) {
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (!begun) {
      // Asked for the middle of a letter.
      const broken = offset === 0 ? 0 : brokenLetter(bytes);
      bytes = bytes.subarray(broken);
      at += broken;
      begun = true;
    }
    if (held.length > 0) bytes = Buffer.concat([held, bytes]);
    const whole = wholeLetters(bytes);
    held = bytes.subarray(whole);
    if (whole === 0) continue;
    const piece = pieceOf(bytes.subarray(0, whole), at);
    at = piece.to;
    yield piece;
  }
  if (held.length > 0) yield pieceOf(held, at);
}

/** Bytes of the newest pieces that are kept: what a reader may be behind before it must read the file again. */
const kept = 512 * 1024;

/** Readers that are woken in one turn of the event loop. */
const together = 50;

/**
 * The growing end of one console, read once for all who follow it. Readers come and go by their own offset: each takes the
 * pieces it has not seen, and who falls behind the oldest piece kept reads the file until it has caught up.
 */
export class Channel {
  #pieces: Piece[] = [];
  #size = 0;
  #end: number;
  #over = false;
  #failure: unknown;
  readonly #waiting = new Set<() => void>();

  constructor(end: number) {
    this.#end = end;
  }

  /** Where the oldest piece begins. */
  get start(): number {
    return this.#pieces[0]?.from ?? this.#end;
  }

  get end(): number {
    return this.#end;
  }

  /** Nothing more will come. Throws what went wrong, if that is why. */
  get over(): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#over;
  }

  /** The first piece with something after byte `position`, from there on. */
  after(position: number): Piece | undefined {
    let at = this.#pieces.length;
    while (at > 0 && (this.#pieces[at - 1]?.to ?? 0) > position) at -= 1;
    const piece = this.#pieces[at];
    if (piece === undefined || piece.from >= position) return piece;
    const rest = piece.bytes.subarray(position - piece.from);
    const broken = brokenLetter(rest);
    return pieceOf(rest.subarray(broken), position + broken);
  }

  add(piece: Piece): void {
    this.#pieces.push(piece);
    this.#end = piece.to;
    this.#size += piece.bytes.length;
    let drop = 0;
    while (this.#size > kept && drop < this.#pieces.length - 1) {
      this.#size -= this.#pieces[drop]?.bytes.length ?? 0;
      drop += 1;
    }
    if (drop > 0) this.#pieces = this.#pieces.slice(drop);
    this.#wake();
  }

  finish(failure?: unknown): void {
    this.#over = true;
    this.#failure = failure;
    this.#wake();
  }

  /** Resolves with the next piece, with the end, or when `signal` aborts. */
  grown(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      if (signal.aborted) done();
      else signal.addEventListener('abort', done, { once: true });
    });
  }

  /** A few at a time: between them others have their turn, however many read along. */
  #wake(): void {
    const all = [...this.#waiting];
    const next = (from: number) => {
      for (const done of all.slice(from, from + together)) done();
      if (from + together < all.length) setImmediate(next, from + together);
    };
    next(0);
  }
}
