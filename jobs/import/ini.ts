import type { Place, SourceFile } from '../problem.ts';
import type { Row, Setting } from './row.ts';

/** `zuul.conf`, as Python's ConfigParser reads it. Settings are named `section.key`. */
export function readIni({ name: file, text }: SourceFile): { settings: Setting[]; rows: Row[] } {
  const settings: Setting[] = [];
  const rows: Row[] = [];
  let section = '';
  for (const [index, raw] of text.split('\n').entries()) {
    const at: Place = { file, line: index + 1, column: 1 };
    const line = raw.trimEnd();
    if (line.trim() === '' || /^\s*[#;]/.test(line)) continue;
    const [, title] = /^\[([^\]]+)\]/.exec(line) ?? [];
    if (title !== undefined) {
      section = title;
      continue;
    }
    const last = settings.at(-1);
    if (/^\s/.test(line) && last !== undefined) {
      settings[settings.length - 1] = { ...last, value: `${last.value}\n${line.trim()}` };
      continue;
    }
    const [, key, value] = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined)
      rows.push({ outcome: 'unsupported', what: line.slice(0, 60), why: 'this line sets nothing', at });
    else settings.push({ name: `${section}.${key.trim().toLowerCase()}`, value, at });
  }
  return { settings, rows };
}
