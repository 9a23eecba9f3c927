/**
 * Jenkins' timer lines: five fields of cron, several lines, comments, `@daily` and its like, and `H`, which stands for one value
 * that follows from the job's name, so that a hundred jobs that say `H 3 * * *` do not all begin at 3:00.
 */

export type JenkinsCron =
  /** Plain cron lines, in UTC. */
  | { readonly kind: 'times'; readonly lines: readonly string[] }
  | { readonly kind: 'wrong'; readonly message: string };

const ALIASES: Readonly<Record<string, string>> = {
  '@yearly': 'H H H H *',
  '@annually': 'H H H H *',
  '@monthly': 'H H H * *',
  '@weekly': 'H H * * H',
  '@daily': 'H H * * *',
  '@midnight': 'H H(0-2) * * *',
  '@hourly': 'H * * * *',
};

interface Field {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  /** Jenkins takes the hash of a day from days that every month has. */
  readonly hashHigh: number;
  readonly names: readonly string[];
}

const FIELDS: readonly Field[] = [
  { name: 'minute', low: 0, high: 59, hashHigh: 59, names: [] },
  { name: 'hour', low: 0, high: 23, hashHigh: 23, names: [] },
  { name: 'day', low: 1, high: 31, hashHigh: 28, names: [] },
  {
    name: 'month',
    low: 1,
    high: 12,
    hashHigh: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  { name: 'weekday', low: 0, high: 7, hashHigh: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];

/** `job`: what `H` follows from. */
export function jenkinsCron(text: string, job: string): JenkinsCron {
  const lines: string[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const zone = /^TZ\s*=\s*(\S+)$/.exec(line)?.[1];
    if (zone !== undefined) {
      if (/^(?:etc\/)?(?:utc|gmt|universal|zulu)$/i.test(zone)) continue;
      return { kind: 'wrong', message: `times are UTC, not ${JSON.stringify(zone.slice(0, 40))}.` };
    }
    const words = alias(line).split(/\s+/);
    if (words.length !== FIELDS.length) {
      return { kind: 'wrong', message: `${shown(line)} has ${words.length} fields, a time has five.` };
    }
    const fields: string[] = [];
    for (const [index, field] of FIELDS.entries()) {
      const values = valuesOf(words[index] ?? '', field, hashOf(job, index));
      if (typeof values === 'string') return { kind: 'wrong', message: `${shown(line)}: ${values}` };
      fields.push(values === undefined ? '*' : values.join(','));
    }
    lines.push(fields.join(' '));
  }
  return { kind: 'times', lines };
}

function alias(line: string): string {
  const word = line.toLowerCase();
  return (Object.hasOwn(ALIASES, word) ? ALIASES[word] : undefined) ?? line;
}

function shown(line: string): string {
  return JSON.stringify(line.slice(0, 60));
}

/** Values of a field in order, undefined for all of them, or what is wrong with it. */
function valuesOf(text: string, field: Field, hash: number): readonly number[] | undefined | string {
  if (text === '*') return undefined;
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const values = rangeOf(part, field, hash);
    if (typeof values === 'string') return values;
    for (const value of values) found.add(value);
  }
  return [...found].sort((a, b) => a - b);
}

const PART = /^(?:(\*)|(H)(?:\((\d+)-(\d+)\))?|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/;

function rangeOf(part: string, field: Field, hash: number): readonly number[] | string {
  const wrong = `${JSON.stringify(part.slice(0, 30))} is no ${field.name}.`;
  const match = PART.exec(part);
  if (match === null) return wrong;
  const [, all, hashed, hashLow, hashHigh, first, last, every] = match;
  const step = every === undefined ? undefined : Number(every);
  if (step === 0) return wrong;
  if (hashed !== undefined) {
    const low = hashLow === undefined ? field.low : Number(hashLow);
    const high = hashHigh === undefined ? field.hashHigh : Number(hashHigh);
    if (low < field.low || high > field.high || low > high) return wrong;
    const width = high - low + 1;
    if (step === undefined) return [low + (hash % width)];
    return step > width ? wrong : series(low + (hash % step), high, step);
  }
  if (all !== undefined) return series(field.low, field.hashHigh === 28 ? 31 : field.hashHigh, step ?? 1);
  const from = numberFor(first, field);
  const to = last === undefined ? from : numberFor(last, field);
  if (from === undefined || to === undefined || from > to || (step !== undefined && last === undefined))
    return wrong;
  return series(from, to, step ?? 1);
}

function numberFor(text: string | undefined, field: Field): number | undefined {
  const named = field.names.indexOf(text?.toLowerCase() ?? '');
  const value = named >= 0 ? named + field.low : /^\d{1,2}$/.test(text ?? '') ? Number(text) : Number.NaN;
  return value >= field.low && value <= field.high ? value : undefined;
}

function series(from: number, to: number, step: number): number[] {
  const values: number[] = [];
  for (let value = from; value <= to; value += step) values.push(value);
  return values;
}

/** FNV-1a of the name, another one for each field. */
function hashOf(name: string, field: number): number {
  let hash = 0x811c9dc5 ^ field;
  for (const letter of `${field} ${name}`) {
    hash ^= letter.codePointAt(0) ?? 0;
    hash = Math.imul(hash, 0x01000193);
  }
  // FNV's low bits are weak: mix the high ones in.
  return ((hash ^ (hash >>> 15)) >>> 0) % 86_400;
}
