import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/**
 * Server-sent events to one reader. Nothing is kept for a reader who does not read: a frame waits until the one before it
 * has left, and whoever takes none for `patience` is hung up on. Browsers come back by themselves, with the id of the last
 * frame they saw.
 */
export interface EventStream {
  /** Waits until there is room for the next. Rejects when the reader is gone or too slow. */
  send(frame: string | Uint8Array): Promise<void>;
  close(): void;
}

export interface StreamTimes {
  /** ms after which a silent stream says that it lives: proxies close what is silent for a minute. */
  readonly heartbeat: number;
  /** ms that a reader may take to make room. */
  readonly patience: number;
}

export const streamTimes: StreamTimes = { heartbeat: 15_000, patience: 20_000 };

export function openEvents(res: ServerResponse, signal: AbortSignal, times = streamTimes): EventStream {
  res.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
  });
  res.write('retry: 1000\n\n');
  const beat = setInterval(() => {
    if (!res.writableNeedDrain) res.write(': alive\n\n');
  }, times.heartbeat);
  return {
    async send(frame) {
      if (res.write(frame)) return;
      await drained(res, signal, times.patience);
    },
    close() {
      clearInterval(beat);
      res.end();
    },
  };
}

async function drained(res: ServerResponse, signal: AbortSignal, patience: number): Promise<void> {
  const late = AbortSignal.timeout(patience);
  try {
    await once(res, 'drain', { signal: AbortSignal.any([signal, late]) });
  } catch (caught) {
    if (late.aborted) res.destroy();
    throw caught;
  }
}

/** One event. The text is JSON, so that nothing in it can end a line of the protocol. */
export function frameOf(id: string | number, data: unknown, event?: string): string {
  return `${event === undefined ? '' : `event: ${event}\n`}id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}
