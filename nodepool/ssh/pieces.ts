import type { Readable } from 'node:stream';

/** Bytes that may wait here; the stream holds back what comes on top. */
const most = 256 * 1024;

/**
 * What a stream brings, in the pieces in which it comes; its own iterator would copy all that waits into one new buffer. Ends
 * with the stream, however that ends.
 */
export async function* piecesOf(stream: Readable): AsyncGenerator<Buffer, void, void> {
  let waiting: Buffer[] = [];
  let size = 0;
  let over = stream.destroyed || stream.readableEnded;
  const isOver = () => over;
  let wake: () => void = () => undefined;
  const onData = (piece: Buffer) => {
    waiting.push(piece);
    size += piece.length;
    if (size >= most) stream.pause();
    wake();
  };
  const onEnd = () => {
    over = true;
    wake();
  };
  stream.on('end', onEnd).on('close', onEnd).on('error', onEnd).on('data', onData);
  try {
    while (waiting.length > 0 || !isOver()) {
      if (waiting.length === 0) {
        const more = new Promise<void>((resolve) => {
          wake = resolve;
        });
        stream.resume();
        await more;
      }
      const pieces = waiting;
      waiting = [];
      size = 0;
      yield* pieces;
    }
  } finally {
    stream.off('end', onEnd).off('close', onEnd).off('error', onEnd).off('data', onData);
    stream.pause();
  }
}
