import type { ServerChannel } from 'ssh2';
import { gson } from './attributes.ts';
import type { GerritEvent } from './events.ts';
import { withoutFields, withStringNumbers } from './faults.ts';
import type { Account } from './model.ts';
import type { Faults } from './specs.ts';

/**
 * `gerrit stream-events`, lossy by design: 128 events wait per connection while the writer is blocked by a slow reader; what
 * does not fit is gone, and the next write begins with one `dropped-output` line. Nothing is replayed to a new connection.
 */
const QUEUE = 128;
const BATCH = 32;
/** Events kept for `repeat`. */
const RECENT = 1000;

export class EventStream {
  readonly account: () => Account | undefined;
  readonly #types: ReadonlySet<string>;
  readonly #channel: ServerChannel;
  readonly #hub: StreamHub;
  #queue: Buffer[] = [];
  #dropped = false;
  #writing = false;
  #closed = false;

  constructor(
    hub: StreamHub,
    channel: ServerChannel,
    account: () => Account | undefined,
    types: readonly string[],
  ) {
    this.#hub = hub;
    this.#channel = channel;
    this.account = account;
    this.#types = new Set(types);
  }

  subscribes(type: string): boolean {
    return this.#types.size === 0 || this.#types.has(type);
  }

  offer(line: Buffer): void {
    if (this.#queue.length >= QUEUE) this.#dropped = true;
    else this.#queue.push(line);
    this.wake();
  }

  /** Starts the writer unless it is at work. */
  wake(): void {
    if (this.#writing || this.#closed) return;
    this.#writing = true;
    setImmediate(() => {
      void this.#write();
    });
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
  }

  async #write(): Promise<void> {
    while (this.#queue.length > 0 && !this.#closed && !this.#hub.faults.stallStreams) {
      const lines = this.#queue.splice(0, BATCH);
      if (this.#dropped) lines.unshift(this.#hub.droppedLine());
      this.#dropped = false;
      await this.#send(Buffer.concat(lines));
    }
    this.#writing = false;
  }

  async #send(bytes: Buffer): Promise<void> {
    const piece = this.#hub.faults.splitEvents;
    for (let at = 0; at < bytes.length; at += piece > 0 ? piece : bytes.length) {
      if (!this.#channel.writable || this.#closed) return;
      const part = piece > 0 ? bytes.subarray(at, at + piece) : bytes;
      await new Promise<void>((resolve) => {
        const done = () => {
          this.#channel.removeListener('close', done);
          resolve();
        };
        this.#channel.once('close', done);
        this.#channel.write(part, done);
      });
      if (piece > 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

export class StreamHub {
  readonly faults: Faults;
  readonly #now: () => number;
  readonly #instanceId: string | undefined;
  readonly #streams = new Set<EventStream>();
  readonly #recent: { event: GerritEvent; line: Buffer }[] = [];
  #held: GerritEvent[] | undefined;

  constructor(faults: Faults, now: () => number, instanceId: string | undefined) {
    this.faults = faults;
    this.#now = now;
    this.#instanceId = instanceId;
  }

  get streams(): readonly EventStream[] {
    return [...this.#streams];
  }

  add(stream: EventStream): void {
    this.#streams.add(stream);
  }

  remove(stream: EventStream): void {
    stream.close();
    this.#streams.delete(stream);
  }

  /** Holds back what `work` emits and answers it: mutations of one operation come first, their events after all of them. */
  collect(work: () => void): GerritEvent[] {
    const held: GerritEvent[] = [];
    this.#held = held;
    try {
      work();
    } finally {
      this.#held = undefined;
    }
    return held;
  }

  emit(event: GerritEvent): void {
    if (this.#held !== undefined) {
      this.#held.push(event);
      return;
    }
    const entry = { event, line: this.#line(event) };
    this.#recent.push(entry);
    if (this.#recent.length > RECENT) this.#recent.shift();
    if (this.faults.swallowEvents > 0) this.faults.swallowEvents--;
    else this.#deliver(entry);
  }

  /** Bytes to every stream, past all filters: broken lines, foreign types. */
  inject(bytes: Buffer): void {
    for (const stream of this.#streams) stream.offer(bytes);
  }

  /** Delivers the last `count` events again, newest first when `reversed`. */
  repeat(count: number, reversed: boolean): void {
    const entries = this.#recent.slice(-count);
    for (const entry of reversed ? entries.reverse() : entries) this.#deliver(entry);
  }

  /** Lines of the last events, oldest first, delivered or not. */
  recent(): string[] {
    return this.#recent.map(({ line }) => line.toString().trimEnd());
  }

  wake(): void {
    for (const stream of this.#streams) stream.wake();
  }

  droppedLine(): Buffer {
    return this.#line({ type: 'dropped-output', fields: {}, visibleTo: () => true });
  }

  #deliver({ event, line }: { event: GerritEvent; line: Buffer }): void {
    for (const stream of this.#streams) {
      const account = stream.account();
      if (account !== undefined && stream.subscribes(event.type) && event.visibleTo(account)) {
        stream.offer(line);
      }
    }
  }

  #line({ type, fields }: GerritEvent): Buffer {
    const json = {
      ...fields,
      type,
      eventCreatedOn: Math.floor(this.#now() / 1000),
      instanceId: this.#instanceId,
    };
    const { missingFields, stringNumbers } = this.faults;
    const cut = missingFields.length > 0 ? withoutFields(json, missingFields) : json;
    return Buffer.from(`${gson(stringNumbers ? withStringNumbers(cut) : cut)}\n`);
  }
}
