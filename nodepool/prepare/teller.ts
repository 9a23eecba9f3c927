import { Fault } from '../../pipelines/fault.ts';
import type { Context } from '../context.ts';
import type { ImageRecord, PreparationRecord } from './record.ts';

/** What a preparation says, line by line: written when there is something more to write, or twice a second. */
export interface Teller {
  readonly say: (line: string) => void;
  /** Changes the record, and writes what was said so far. */
  readonly put: (change: Partial<PreparationRecord>) => Promise<void>;
  /** The last change, in one with what came of it: nothing is written afterwards. */
  readonly close: (change: Partial<PreparationRecord>, images: readonly ImageRecord[]) => Promise<void>;
}

const mostLines = 300;
const mostText = 500;
const flushEvery = 500;

export function tellerOf({ book, options, stop, broken }: Context, id: string): Teller {
  const { timer } = options;
  let waiting: PreparationRecord['lines'] = [];
  let n = 0;
  let isComing = false;
  let isClosed = false;

  async function put(change: Partial<PreparationRecord>, images: readonly ImageRecord[] = []): Promise<void> {
    const record = recordOf(book, id);
    const lines = [...record.lines, ...waiting].slice(-mostLines);
    waiting = [];
    await book.write({ put: { images, preparations: [{ ...record, ...change, lines }] } });
  }

  async function later(): Promise<void> {
    await timer.sleep(flushEvery, stop).catch(() => undefined);
    isComing = false;
    if (!isClosed && !stop.aborted && waiting.length > 0) await put({});
  }

  return {
    say(text) {
      waiting.push({ n: ++n, at: timer.now(), text: text.slice(0, mostText) });
      if (isComing) return;
      isComing = true;
      later().catch(broken);
    },
    put: (change) => put(change),
    async close(change, images) {
      isClosed = true;
      await put(change, images);
    },
  };
}

export function recordOf({ preparations }: Context['book'], id: string): PreparationRecord {
  const record = preparations.get(id);
  if (record === undefined) throw new Fault('bug', `there is no preparation ${id}`);
  return record;
}
