import { TextDecoder } from 'node:util';

/**
 * Bytes to lines. The peer decides how bytes are cut into packets, so a line may arrive in pieces that split a character, and
 * nothing promises that a line ends at all: one that grows beyond the cap is thrown away up to its newline, and said so.
 */
export interface LineReader {
  push(chunk: Uint8Array): void;
  /** Bytes of the unfinished line. */
  pending(): number;
}

export interface LineSink {
  line(text: string, bytes: number): void;
  /** What was wrong: `line-too-long`, `invalid-utf8`. The text of an invalid line still follows, with U+FFFD for what is broken. */
  oddity(kind: 'line-too-long' | 'invalid-utf8', bytes: number): void;
}

export const MAX_LINE = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

export function createLineReader(sink: LineSink, maxLine: number = MAX_LINE): LineReader {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
  let parts: Uint8Array[] = [];
  let size = 0;
  let skipping = false;

  function add(part: Uint8Array): void {
    size += part.length;
    if (skipping || part.length === 0) return;
    if (size > maxLine) {
      skipping = true;
      parts = [];
      return;
    }
    parts.push(part);
  }

  function end(): void {
    const whole = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    const bytes = size;
    const tooLong = skipping;
    parts = [];
    size = 0;
    skipping = false;
    if (tooLong) return sink.oddity('line-too-long', bytes);
    const text = decode(whole, bytes);
    if (text.trim() !== '') sink.line(text, bytes);
  }

  function decode(bytes: Uint8Array, size: number): string {
    try {
      return strict.decode(bytes);
    } catch {
      sink.oddity('invalid-utf8', size);
      return lenient.decode(bytes);
    }
  }

  return {
    push(chunk) {
      let start = 0;
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
        add(chunk.subarray(start, at));
        end();
        start = at + 1;
      }
      // Copied, because the chunk is a window into a buffer that a long line would keep alive whole.
      if (start < chunk.length) add(start === 0 ? chunk : Uint8Array.prototype.slice.call(chunk, start));
    },
    pending: () => size,
  };
}
