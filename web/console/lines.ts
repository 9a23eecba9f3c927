/**
 * A console of any length as lines. It is kept as the bytes that came, with the place where each line begins: a million
 * lines are 100 MB of bytes and 8 MB of places, and only lines that are looked at become text.
 */
export class Lines {
  #chunks: Uint8Array[] = [];
  /** Byte at which each chunk begins. */
  #chunkStarts: number[] = [];
  /** Byte at which each line begins. */
  #starts = new Float64Array(1024);
  #count = 1;
  #size = 0;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** Bytes that came. */
  get size(): number {
    return this.#size;
  }

  /** Lines; one that is empty and has no end yet is none. */
  get count(): number {
    return (this.#starts[this.#count - 1] ?? 0) === this.#size ? this.#count - 1 : this.#count;
  }

  add(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const base = this.#size;
    this.#chunks.push(chunk);
    this.#chunkStarts.push(base);
    this.#size += chunk.length;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) {
      if (this.#count === this.#starts.length) {
        const larger = new Float64Array(this.#count * 2);
        larger.set(this.#starts);
        this.#starts = larger;
      }
      this.#starts[this.#count++] = base + at + 1;
    }
  }

  /** Line `n` from 0, without its end, at most `most` bytes of it. */
  text(n: number, most = 20_000): string {
    const from = this.#starts[n] ?? this.#size;
    const next = n + 1 < this.#count ? (this.#starts[n + 1] ?? this.#size) - 1 : this.#size;
    const cut = next - from > most;
    const text = this.#decode(from, cut ? from + most : next).replace(/\r+$/, '');
    // What rewrites its own line (progress bars) is read as it looked in the end.
    const shown = text.includes('\r') ? text.slice(text.lastIndexOf('\r') + 1) : text;
    return cut ? `${shown}… ${next - from - most} bytes more` : shown;
  }

  /** Text of the lines from `n` up to `to`, for searching. */
  block(n: number, to: number): string {
    const end = to < this.#count ? (this.#starts[to] ?? this.#size) : this.#size;
    return this.#decode(this.#starts[n] ?? this.#size, end);
  }

  #decode(from: number, to: number): string {
    let at = this.#chunkAt(from);
    const parts: Uint8Array[] = [];
    for (; at < this.#chunks.length; at++) {
      const start = this.#chunkStarts[at] ?? 0;
      if (start >= to) break;
      const chunk = this.#chunks[at];
      if (chunk !== undefined) parts.push(chunk.subarray(Math.max(0, from - start), to - start));
    }
    const [only] = parts;
    return this.#decoder.decode(parts.length === 1 && only !== undefined ? only : joined(parts));
  }

  /** The chunk that holds a byte. */
  #chunkAt(byte: number): number {
    let low = 0;
    let high = this.#chunkStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#chunkStarts[middle] ?? 0) <= byte) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
