/** Git's pkt-line framing, as far as a receiving server needs it. */

export const FLUSH = Buffer.from('0000');

export function pkt(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes]);
}

/** Splits content over side-band-64k packets of one band: 1 data, 2 progress, 3 error. */
export function band(number: 1 | 2 | 3, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  const packets: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 65_000) {
    packets.push(pkt(Buffer.concat([Buffer.from([number]), bytes.subarray(at, at + 65_000)])));
  }
  return Buffer.concat(packets);
}

/** Takes pkt-lines and then raw bytes off a stream. */
export class PktReader {
  readonly #source: AsyncIterator<Buffer>;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Next line; `flush` at a flush packet, `end` when the client closed its side. */
  async line(): Promise<Buffer | 'flush' | 'end'> {
    if (!(await this.#fill(4))) return 'end';
    const length = Number.parseInt(this.#bytes.subarray(0, 4).toString(), 16);
    if (length === 0) {
      this.#bytes = this.#bytes.subarray(4);
      return 'flush';
    }
    if (!(length >= 4) || !(await this.#fill(length))) return 'end';
    const content = this.#bytes.subarray(4, length);
    this.#bytes = this.#bytes.subarray(length);
    return content;
  }

  /** The rest, as it comes. */
  async next(): Promise<Buffer | undefined> {
    if (this.#bytes.length > 0) {
      const bytes = this.#bytes;
      this.#bytes = Buffer.alloc(0);
      return bytes;
    }
    const { value, done } = await this.#source.next();
    return done === true ? undefined : value;
  }

  async #fill(wanted: number): Promise<boolean> {
    while (this.#bytes.length < wanted) {
      const { value, done } = await this.#source.next();
      if (done === true) return false;
      this.#bytes = Buffer.concat([this.#bytes, value]);
    }
    return true;
  }
}
