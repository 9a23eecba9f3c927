import type { Place, SourceFile } from '../problem.ts';
import type { Row, Setting } from './row.ts';

/**
 * `vars.sh` of a data repository: assignments, one a line. No shell runs here, so a value that the shell would compute is told and
 * not taken.
 */
export function readVars({ name: file, text }: SourceFile): { settings: Setting[]; rows: Row[] } {
  const settings: Setting[] = [];
  const rows: Row[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    const at: Place = { file, line: index + 1, column: 1 + raw.length - raw.trimStart().length };
    if (line === '' || line.startsWith('#')) continue;
    const [, name, rest] = /^(?:export\s+)?([A-Za-z_]\w*)=(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) {
      const declared = /^export(?:\s+[A-Za-z_]\w*)+$/.test(line);
      const why = declared ? 'it only exports what was set before' : 'this line is no assignment';
      rows.push({ outcome: declared ? 'ignored' : 'unsupported', what: line.slice(0, 60), why, at });
      continue;
    }
    let [key, word] = [name, valueOf(rest)];
    // `export A=1 B=2` sets both.
    for (;;) {
      if (word === undefined) {
        rows.push({
          outcome: 'unsupported',
          what: key,
          why: 'the shell computes its value; write it down',
          at,
        });
        break;
      }
      settings.push({ name: key, value: word.value, at });
      const [, nextName, nextRest] = /^\s+([A-Za-z_]\w*)=(.*)$/.exec(word.rest) ?? [];
      if (nextName === undefined || nextRest === undefined) break;
      [key, word] = [nextName, valueOf(nextRest)];
    }
  }
  return { settings, rows };
}

/** A word as the shell reads it, quoted parts and plain ones side by side, and what follows it. Undefined: it needs a shell. */
function valueOf(text: string): { value: string; rest: string } | undefined {
  let value = '';
  let rest = text;
  while (rest !== '' && !/^[\s;]/.test(rest)) {
    const [all, single, double, plain] =
      /^(?:'([^']*)'|"((?:[^"\\$`]|\\["\\$`])*)"|([^\s'"\\$`;&|<>()]+))/.exec(rest) ?? [];
    if (all === undefined) return undefined;
    value += single ?? plain ?? (double ?? '').replace(/\\(["\\$`])/g, '$1');
    rest = rest.slice(all.length);
  }
  return { value, rest };
}
