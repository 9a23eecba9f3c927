/**
 * Plain scalars as PyYAML's SafeLoader resolves them (YAML 1.1 with PyYAML's own habits): `yes`, `no`, `on`, `off` are
 * booleans but `y` and `n` are text, `0640` is octal, `1:30` is 90, `1e5` is text because the point is missing, `08` is
 * text because it is no octal number. Dates stay text: Python would print a date the way it was written.
 *
 * JavaScript has one number type, Python two, and the difference is visible: `1.0` is printed `1.0`, never `1`.
 * A `Float` stands for a float whose JavaScript number would look like an integer; every other float is a number.
 */

/** A float with an integral (or infinite, or no) value, kept apart from the integer that JavaScript would make of it. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  toJSON(): number {
    return this.value;
  }

  toString(): string {
    return floatText(this.value);
  }
}

const BOOLEAN = /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/;
const NULL = /^(?:~|null|Null|NULL|)$/;
const INTEGER = /^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const FLOAT =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** The value of a plain scalar without a tag. `exact` keeps integral floats as `Float`, else they become numbers. */
export function resolvePlain(text: string, exact: boolean): unknown {
  const first = text.charCodeAt(0);
  // Digits, sign, point.
  if ((first >= 48 && first <= 57) || first === 45 || first === 43 || first === 46) {
    if (FLOAT.test(text)) return readFloat(text, exact) ?? text;
    if (INTEGER.test(text)) return readInteger(text) ?? text;
    return text;
  }
  if (text.length > 5) return text;
  if (BOOLEAN.test(text)) return readBoolean(text);
  if (NULL.test(text)) return null;
  return text;
}

export function readBoolean(text: string): boolean | undefined {
  switch (text.toLowerCase()) {
    case 'yes':
    case 'true':
    case 'on':
      return true;
    case 'no':
    case 'false':
    case 'off':
      return false;
    default:
      return undefined;
  }
}

/** An integer that JavaScript cannot hold exactly stays text, so that no digit is lost. */
export function readInteger(text: string): number | string | undefined {
  const plain = text.replaceAll('_', '');
  const negative = plain.startsWith('-');
  const digits = /^[-+]/.test(plain) ? plain.slice(1) : plain;
  const value = unsigned(digits);
  if (value === undefined || Number.isNaN(value)) return undefined;
  if (!Number.isSafeInteger(value)) return plain;
  return negative && value !== 0 ? -value : value;
}

function unsigned(digits: string): number | undefined {
  if (digits === '') return undefined;
  if (digits === '0') return 0;
  if (digits.startsWith('0b')) return Number.parseInt(digits.slice(2), 2);
  if (digits.startsWith('0x')) return Number.parseInt(digits.slice(2), 16);
  if (digits.includes(':')) return sexagesimal(digits);
  if (digits.startsWith('0')) return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
  return /^[0-9]+$/.test(digits) ? Number(digits) : undefined;
}

export function readFloat(text: string, exact: boolean): number | Float | undefined {
  const plain = text.replaceAll('_', '').toLowerCase();
  const sign = plain.startsWith('-') ? -1 : 1;
  const digits = /^[-+]/.test(plain) ? plain.slice(1) : plain;
  const value = unsignedFloat(digits);
  if (value === undefined) return undefined;
  return float(sign * value, exact);
}

function unsignedFloat(digits: string): number | undefined {
  if (digits === '.inf') return Infinity;
  if (digits === '.nan') return Number.NaN;
  if (digits.includes(':')) return sexagesimal(digits);
  const value = /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?$/.test(digits) ? Number(digits) : Number.NaN;
  return Number.isNaN(value) ? undefined : value;
}

function float(value: number, exact: boolean): number | Float {
  const looksLikeInteger = Number.isInteger(value) || !Number.isFinite(value);
  return exact && looksLikeInteger ? new Float(value) : value;
}

/** Added up from the right, as PyYAML does it: the order shows in the last digit. */
function sexagesimal(digits: string): number {
  return digits
    .split(':')
    .reverse()
    .reduce((sum, part, place) => sum + Number(part) * 60 ** place, 0);
}

/** A float as Python's `repr` prints it: shortest digits, always a point or an exponent. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  if (Object.is(value, -0)) return '-0.0';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [digits = '', exponent = ''] = value.toExponential().split('e');
    const sign = exponent.startsWith('-') ? '-' : '+';
    return `${digits}e${sign}${exponent.replace(/^[-+]/, '').padStart(2, '0')}`;
  }
  const text = String(value);
  return text.includes('.') ? text : `${text}.0`;
}
