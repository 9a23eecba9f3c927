/**
 * Colours of a console line (SGR sequences) as runs of text with classes. Text stays text; anything else that begins with an
 * escape was made visible on the server.
 */
export interface Run {
  readonly text: string;
  /** `fg1 bold`, ...: names of style.css only. */
  readonly classes: string;
  /** True colour, `rgb(...)`: made of numbers. */
  readonly color?: string;
}

interface Style {
  fg: string;
  bg: string;
  color: string | undefined;
  bold: boolean;
  faint: boolean;
  italic: boolean;
  underline: boolean;
}

const plainStyle = (): Style => ({
  fg: '',
  bg: '',
  color: undefined,
  bold: false,
  faint: false,
  italic: false,
  underline: false,
});

// oxlint-disable-next-line no-control-regex -- the escape is what is looked for
const sgr = /\u001b\[([0-9;:]{0,32})m/g;

export function runsOf(line: string): readonly Run[] {
  if (!line.includes('\u001b')) return [{ text: line, classes: '' }];
  const runs: Run[] = [];
  const style = plainStyle();
  let from = 0;
  const push = (text: string) => {
    if (text === '') return;
    runs.push({
      text,
      classes: classesOf(style),
      ...(style.color === undefined ? {} : { color: style.color }),
    });
  };
  for (const match of line.matchAll(sgr)) {
    push(line.slice(from, match.index));
    apply(style, match[1] ?? '');
    from = match.index + match[0].length;
  }
  push(line.slice(from));
  return runs;
}

/** The line without its colours: what is searched and copied. */
export function withoutColours(line: string): string {
  return line.includes('\u001b') ? line.replace(sgr, '') : line;
}

function classesOf(style: Style): string {
  const names = [style.fg, style.bg];
  if (style.bold) names.push('bold');
  if (style.faint) names.push('faint');
  if (style.italic) names.push('italic');
  if (style.underline) names.push('underline');
  return names.filter((name) => name !== '').join(' ');
}

function apply(style: Style, text: string): void {
  const codes = text.split(/[;:]/).map(Number);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 38 || code === 48) {
      const { used, index, rgb } = extended(codes.slice(at + 1));
      at += used;
      if (code === 48) style.bg = index === undefined || index > 15 ? '' : `bg${index}`;
      else {
        style.fg = index === undefined || index > 15 ? '' : `fg${index}`;
        style.color = rgb ?? (index !== undefined && index > 15 ? colourOf(index) : undefined);
      }
    } else simple(style, code);
  }
}

function simple(style: Style, code: number): void {
  if (code === 0) Object.assign(style, plainStyle());
  else if (code === 1) style.bold = true;
  else if (code === 2) style.faint = true;
  else if (code === 3) style.italic = true;
  else if (code === 4) style.underline = true;
  else if (code === 22) style.bold = style.faint = false;
  else if (code === 23) style.italic = false;
  else if (code === 24) style.underline = false;
  else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
    style.fg = `fg${code >= 90 ? code - 82 : code - 30}`;
    style.color = undefined;
  } else if (code === 39) {
    style.fg = '';
    style.color = undefined;
  } else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107))
    style.bg = `bg${code >= 100 ? code - 92 : code - 40}`;
  else if (code === 49) style.bg = '';
}

function extended(codes: readonly number[]): { used: number; index?: number; rgb?: string } {
  const [mode, ...more] = codes;
  if (mode === 5) return { used: 2, index: clamp(more[0]) };
  if (mode === 2) return { used: 4, rgb: `rgb(${clamp(more[0])} ${clamp(more[1])} ${clamp(more[2])})` };
  return { used: 0 };
}

function clamp(value: number | undefined): number {
  return value === undefined || Number.isNaN(value) ? 0 : Math.min(255, Math.max(0, value));
}

/** xterm's cube of 216 colours and its 24 greys. */
function colourOf(index: number): string {
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const cube = index - 16;
  const level = (n: number) => (n === 0 ? 0 : 55 + n * 40);
  return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`;
}
