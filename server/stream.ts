import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { StringDecoder } from 'node:string_decoder';

/** ms after which a silent stream says that it lives: proxies close what is silent for a minute. */
const heartbeat = 15_000;

/**
 * A console as server-sent events: `{"text": "..."}` with the byte offset behind it as id, then `event: end`. Letters are
 * never cut: bytes of an unfinished one wait for the rest, and the id counts what was sent. JSON keeps a console from
 * ending a line of the protocol.
 */
export async function sendEvents(
  res: ServerResponse,
  chunks: AsyncIterable<Uint8Array>,
  from: number,
  signal: AbortSignal,
): Promise<void> {
  res.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
  });
  res.write('retry: 1000\n\n');
  const beat = setInterval(() => res.write(': alive\n\n'), heartbeat);
  const decoder = new StringDecoder('utf8');
  let offset = from;
  try {
    for await (const chunk of chunks) {
      if (signal.aborted) return;
      const text = decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      if (text === '') continue;
      offset += Buffer.byteLength(text);
      if (!res.write(`id: ${offset}\ndata: ${JSON.stringify({ text })}\n\n`))
        await once(res, 'drain', { signal });
    }
    if (!signal.aborted) res.write(`event: end\nid: ${offset}\ndata: {}\n\n`);
  } catch (caught) {
    // The reader is gone, or the file is: either way it may ask again from where it was.
    if (!signal.aborted) res.destroy(caught instanceof Error ? caught : undefined);
  } finally {
    clearInterval(beat);
    res.end();
  }
}
