import { redactor } from './redact.ts';

/**
 * The console as people read it, made of a build's raw output. In this order, each a stream of its own:
 *
 *   stamp    `2026-11-21 03:04:05.678 | ` in UTC before every line, if the job asks for timestamps
 *   redact   secrets become `****`
 *   clean    UTF-8 for sure, no control characters but tab, line ends and colours (SGR); others become visible signs
 *
 * The text is a function of the bytes and of the time each of them was seen, and of nothing else: after a restart it is made
 * again from the beginning and comes out the same, however the bytes are cut. Memory is bounded by the chunks, not by lines: one
 * block is written while the next one is collected, and who brings more waits.
 */

export interface ConsoleOptions {
  readonly timestamps: boolean;
  readonly secrets: readonly string[];
  /** Bytes of text that are kept: stamps make short lines many times longer. */
  readonly limit: number;
  /** The chunk is the callee's until the promise settles, and no longer. One call at a time. */
  readonly write: (chunk: Uint8Array) => Promise<void>;
}

export interface BuildConsole {
  /** Output of the build; `at` in ms. Waits when too much is unwritten. The chunk is ours until it is written. */
  output(chunk: Uint8Array, at: number): Promise<void> | undefined;
  /** A line of our own, on a line of its own; written even beyond the limit. */
  say(text: string, at: number): Promise<void> | undefined;
  /** Resolves when everything but what is held back (the beginning of a secret, perhaps) is written. */
  written(): Promise<void>;
  /** Writes what is held back, too. */
  end(): Promise<void>;
}

/** Bytes in a block. Larger ones cost fewer turns of the pool that writes; what is gained beyond this is little. */
const enough = 256 * 1024;
/** ms that small pieces wait for company before they are written. */
const soon = 15;

export function buildConsole(options: ConsoleOptions): BuildConsole {
  const stamp = stamper(options.timestamps);
  const redact = redactor(options.secrets);
  const clean = cleaner();
  let pending: Buffer[] = [];
  let size = 0;
  let made = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let block: Buffer | undefined;

  function keep(text: Buffer, always = false): void {
    if (text.length === 0) return;
    const room = always ? text.length : Math.max(0, options.limit - made);
    const part = text.length <= room ? text : wholeLetters(text.subarray(0, room));
    const over = !always && text.length > room && made <= options.limit;
    made += over ? text.length + 1 : text.length;
    pending.push(part);
    size += part.length;
    if (over) {
      const notice = Buffer.from(
        `\n[the console is longer than ${options.limit} bytes: the rest is left out]\n`,
      );
      pending.push(notice);
      size += notice.length;
    }
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const parts = pending;
    const length = size;
    pending = [];
    size = 0;
    if (length > 0) writing = writing.then(() => options.write(joined(parts, length)));
    // Whoever calls next meets the error: `writing` keeps it.
    writing.catch(() => undefined);
    return writing;
  }

  /** The parts in one piece: large ones in a block that is used again and again, which spares the kernel new pages. */
  function joined(parts: readonly Buffer[], length: number): Buffer {
    if (length < enough || length > 2 * enough) return Buffer.concat(parts, length);
    block ??= Buffer.allocUnsafeSlow(2 * enough);
    let to = 0;
    for (const part of parts) to += part.copy(block, to);
    return block.subarray(0, length);
  }

  function pushed(): Promise<void> | undefined {
    if (size >= enough) {
      const before = writing;
      void flush();
      return before;
    }
    timer ??= setTimeout(() => void flush(), soon);
    return undefined;
  }

  function push(chunk: Buffer, at: number, always = false): void {
    keep(clean.push(redact.push(stamp.push(chunk, at))), always);
  }

  return {
    output(chunk, at) {
      push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength), at);
      return pushed();
    },
    say(text, at) {
      push(Buffer.from(`${stamp.fresh() ? '' : '\n'}${text.replace(/[\r\n]+/g, ' ')}\n`), at, true);
      return pushed();
    },
    written: () => flush(),
    async end() {
      keep(clean.push(redact.end()));
      keep(clean.end());
      await flush();
    },
  };
}

/** Without the beginning of a letter whose end was cut off. */
function wholeLetters(text: Buffer): Buffer {
  let end = text.length;
  while (end > 0 && text.length - end < 3 && ((text[end - 1] ?? 0) & 0xc0) === 0x80) end -= 1;
  const lead = text[end - 1] ?? 0;
  const letter = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return end - 1 + letter > text.length ? text.subarray(0, end - 1) : text;
}

/** `2026-11-21 03:04:05.678` in UTC. */
export function utcStamp(at: number): string {
  return new Date(at).toISOString().replace('T', ' ').replace('Z', '');
}

const newline = 0x0a;
/** With something behind it: what comes after the last one has a time of its own. */
const innerLineEnd = /\n(?!$)/g;

/** Puts the time of its first byte before each line. */
export function stamper(enabled: boolean): {
  push(chunk: Buffer, at: number): Buffer;
  /** True at the beginning of a line. */
  fresh(): boolean;
} {
  let fresh = true;
  let lastAt = Number.NaN;
  let stamp = '';
  return {
    fresh: () => fresh,
    push(chunk, at) {
      if (chunk.length === 0) return chunk;
      if (!enabled) {
        fresh = chunk[chunk.length - 1] === newline;
        return chunk;
      }
      if (at !== lastAt) {
        lastAt = at;
        stamp = `${utcStamp(at)} | `;
      }
      // As latin1, a letter a byte: one replacement is twice as fast as copying line by line.
      const text = chunk.toString('latin1').replace(innerLineEnd, `\n${stamp}`);
      const stamped = Buffer.from(fresh ? stamp + text : text, 'latin1');
      fresh = chunk[chunk.length - 1] === newline;
      return stamped;
    },
  };
}

/** 1 for bytes that need a second look: controls but tab, line feed and carriage return; DEL; everything beyond ASCII. */
const special = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x7f || (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) ? 1 : 0,
);

/** A character that could drive a terminal or turn a line around; an ESC that begins a colour (SGR) is none. */
const suspicious =
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  /\u001b(?!\[[0-9;:]{0,32}m)|[\u0000-\u0008\u000b\u000c\u000e-\u001a\u001c-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
// oxlint-disable-next-line no-control-regex -- as above
const unfinishedColour = /\u001b(?:\[[0-9;:]{0,32})?$/;

/** Makes bytes plain UTF-8 text without surprises. */
export function cleaner(): { push(chunk: Buffer): Buffer; end(): Buffer } {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  /** A sequence that the last chunk cut: of colour here, or of UTF-8 in the decoder. */
  let held = '';
  let cut = false;

  function slow(chunk: Buffer, last: boolean): Buffer {
    const text = held + decoder.decode(chunk, { stream: !last });
    const tail = last ? undefined : unfinishedColour.exec(text)?.[0];
    held = tail ?? '';
    const whole = tail === undefined ? text : text.slice(0, -tail.length);
    cut = !last && (held !== '' || (chunk[chunk.length - 1] ?? 0) >= 0x80);
    return Buffer.from(whole.replace(suspicious, visible));
  }

  return {
    push(chunk) {
      if (chunk.length === 0) return chunk;
      if (!cut && isPlain(chunk)) return chunk;
      return slow(chunk, false);
    },
    end: () => slow(Buffer.alloc(0), true),
  };
}

/** True without special bytes. Looks at four bytes at a time, at each alone only where one is beyond 0x20..0x7e. */
function isPlain(chunk: Buffer): boolean {
  // Words begin at multiples of four.
  const before = -chunk.byteOffset & 3;
  if (chunk.length < before) return !hasSpecial(chunk, 0, chunk.length);
  const words = new Int32Array(chunk.buffer, chunk.byteOffset + before, (chunk.length - before) >> 2);
  if (hasSpecial(chunk, 0, before)) return false;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? 0;
    // The high bit of a byte is set in it from 0x80 on, in the sum from 0x7f on, in the difference below 0x20.
    if (((word | (word + 0x01010101) | (word - 0x20202020)) & 0x80808080) === 0) continue;
    const at = before + 4 * index;
    if (hasSpecial(chunk, at, at + 4)) return false;
  }
  return !hasSpecial(chunk, before + 4 * words.length, chunk.length);
}

function hasSpecial(chunk: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (special[chunk[at] ?? 0] === 1) return true;
  return false;
}

/** Control pictures (U+2400...) for ASCII controls, the replacement character for the rest. */
function visible(found: string): string {
  const code = found.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : '\ufffd';
}
