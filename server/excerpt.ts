import type { Excerpt } from './contract.ts';

/** What a console ends with, found in one pass over its bytes without keeping more than the last lines. */

const newline = 0x0a;
/** Lines that are shown before the end. */
const shown = 30;
/** Our own lines after the end (artifacts, verdict) that are looked behind for it. */
const trailing = 60;
/** Bytes of one line that are kept. */
const longest = 2_000;

const mark = Buffer.from('[stackgate] step ');
const stepForm = /^(?:\S{10} \S{12} \| )?\[stackgate\] step (\d{1,4}): (.*)$/;
const endForm = /^(?:\S{10} \S{12} \| )?(?:Ended|Lost): /;

export async function excerptOf(console: AsyncIterable<Uint8Array>): Promise<Excerpt | undefined> {
  const lines: Buffer[] = [];
  let total = 0;
  let step: Excerpt['step'] = null;
  let open: Buffer = Buffer.alloc(0);

  function keep(line: Buffer): void {
    total += 1;
    // A copy: the chunk it lies in is large.
    lines.push(Buffer.from(line.subarray(0, longest)));
    if (lines.length > 2 * (shown + trailing)) lines.splice(0, shown + trailing);
    if (line.length > longest || line.indexOf(mark) === -1) return;
    const found = stepForm.exec(line.toString('utf8'));
    if (found !== null) step = { number: Number(found[1]), name: found[2] ?? '', line: total };
  }

  for await (const chunk of console) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let from = 0;
    for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, from)) {
      const end = bytes.subarray(from, at);
      keep(open.length === 0 ? end : Buffer.concat([open, end]));
      open = Buffer.alloc(0);
      from = at + 1;
    }
    const rest = bytes.subarray(from);
    if (open.length < longest) open = Buffer.concat([open, rest.subarray(0, longest)]);
  }
  if (open.length > 0) keep(open);
  if (total === 0) return undefined;
  const texts = lines.slice(-(shown + trailing)).map((line) => line.toString('utf8'));
  const end = texts.findLastIndex((text) => endForm.test(text));
  const last = end === -1 ? texts.length : end + 1;
  const first = Math.max(0, last - shown);
  const before = total - texts.length;
  return {
    from: before + first + 1,
    lines: texts.slice(first, last),
    failedAt: Math.max(1, before + (end === -1 ? texts.length : Math.max(1, end))),
    total,
    step,
  };
}
