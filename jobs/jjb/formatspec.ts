import { Float, floatText } from '../yaml/scalar.ts';
import { pythonText } from './python.ts';

/**
 * Python's format specification (`{x:>4}`, `{n:03d}`, `{f:.2f}`), as far as job files can use it. Undefined when Python
 * would refuse the specification for this kind of value.
 */
export function formatWithSpec(value: unknown, spec: string): string | undefined {
  if (spec === '') return pythonText(value);
  const match = /^(?:(.)?([<>=^]))?([-+ ])?(#)?(0)?(\d{1,4})?([,_])?(?:\.(\d{1,3}))?([a-zA-Z%])?$/su.exec(
    spec,
  );
  if (match === null) return undefined;
  const [, fill, align, sign, alternate, zero, width, group, precision, type] = match;
  const layout = { fill: fill ?? (zero === undefined ? ' ' : '0'), align, width: Number(width ?? 0) };
  if (typeof value === 'string') {
    if ((type !== undefined && type !== 's') || sign !== undefined || alternate !== undefined)
      return undefined;
    if (group !== undefined || align === '=' || (zero !== undefined && align === undefined)) return undefined;
    const text = precision === undefined ? value : Array.from(value).slice(0, Number(precision)).join('');
    return pad(text, '', layout, '<');
  }
  const number = numberOf(value);
  if (number === undefined) return undefined;
  const digits = numberDigits(
    Math.abs(number.value),
    number.integer,
    type,
    precision,
    alternate !== undefined,
  );
  if (digits === undefined) return undefined;
  const negative = number.value < 0;
  const prefix = negative ? '-' : sign === '+' || sign === ' ' ? sign : '';
  const grouped =
    group === undefined
      ? digits
      : digits.replace(/^\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, group));
  return pad(grouped, prefix, layout, zero === undefined ? '>' : '=');
}

interface Layout {
  readonly fill: string;
  readonly align: string | undefined;
  readonly width: number;
}

function pad(text: string, prefix: string, layout: Layout, fallback: string): string {
  const { fill, width } = layout;
  const missing = width - Array.from(text).length - prefix.length;
  if (missing <= 0) return prefix + text;
  switch (layout.align ?? fallback) {
    case '<':
      return prefix + text + fill.repeat(missing);
    case '^':
      return fill.repeat(missing >> 1) + prefix + text + fill.repeat(missing - (missing >> 1));
    case '=':
      return prefix + fill.repeat(missing) + text;
    default:
      return fill.repeat(missing) + prefix + text;
  }
}

function numberOf(value: unknown): { readonly value: number; readonly integer: boolean } | undefined {
  if (typeof value === 'boolean') return { value: Number(value), integer: true };
  if (typeof value === 'number') return { value, integer: Number.isInteger(value) };
  return value instanceof Float ? { value: value.value, integer: false } : undefined;
}

function numberDigits(
  value: number,
  integer: boolean,
  type: string | undefined,
  precision: string | undefined,
  alternate: boolean,
): string | undefined {
  const places = precision === undefined ? undefined : Number(precision);
  switch (type) {
    case 'f':
    case 'F':
      return value.toFixed(Math.min(100, places ?? 6));
    case 'e':
    case 'E': {
      const text = value.toExponential(Math.min(100, places ?? 6)).replace(/e([-+])(\d)$/, 'e$10$2');
      return type === 'E' ? text.toUpperCase() : text;
    }
    case '%':
      return `${(value * 100).toFixed(Math.min(100, places ?? 6))}%`;
    case 'g':
    case 'G':
      return String(Number(value.toPrecision(Math.min(100, Math.max(1, places ?? 6)))));
    case undefined:
      if (!integer)
        return places === undefined
          ? floatText(value)
          : String(Number(value.toPrecision(Math.max(1, places))));
      return places === undefined ? String(value) : undefined;
    default:
      return integer && places === undefined ? integerDigits(value, type, alternate) : undefined;
  }
}

function integerDigits(value: number, type: string, alternate: boolean): string | undefined {
  switch (type) {
    case 'd':
    case 'n':
      return String(value);
    case 'x':
      return (alternate ? '0x' : '') + value.toString(16);
    case 'X':
      return (alternate ? '0X' : '') + value.toString(16).toUpperCase();
    case 'o':
      return (alternate ? '0o' : '') + value.toString(8);
    case 'b':
      return (alternate ? '0b' : '') + value.toString(2);
    case 'c':
      return value <= 0x10ffff ? String.fromCodePoint(value) : undefined;
    default:
      return undefined;
  }
}
