/**
 * Times of a cron line, in UTC: five fields (minute hour day month weekday) or six (second first would be common; Zuul wrote the
 * seconds last). Weekdays count from Sunday = 0 (7 too) as everywhere; Zuul 2.6 counted from Monday and ignored the month.
 */

export interface Cron {
  readonly second: ReadonlySet<number>;
  readonly minute: ReadonlySet<number>;
  readonly hour: ReadonlySet<number>;
  readonly day: ReadonlySet<number>;
  readonly month: ReadonlySet<number>;
  readonly weekday: ReadonlySet<number>;
  /** Both day and weekday are restricted: either is enough (cron’s old rule). */
  readonly either: boolean;
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const shortcuts: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};

export interface CronStyle {
  /** Weekdays from Monday = 0, month ignored. */
  readonly apscheduler: boolean;
}

/** Undefined: not a cron line. */
export function parseCron(text: string, style: CronStyle = { apscheduler: false }): Cron | undefined {
  const line = shortcuts[text.trim().toLowerCase()] ?? text;
  const parts = line.trim().split(/\s+/);
  if (parts.length !== 5 && parts.length !== 6) return undefined;
  const [minute = '', hour = '', day = '', month = '', weekday = '', second] = parts;
  const days = style.apscheduler ? [...weekdays.slice(1), 'sun'] : weekdays;
  const fields = {
    second: field(second ?? '0', 0, 59),
    minute: field(minute, 0, 59),
    hour: field(hour, 0, 23),
    day: field(day, 1, 31),
    month: field(style.apscheduler ? '*' : month, 1, 12, months, 1),
    weekday: field(weekday, 0, 7, days, 0),
  };
  const { second: s, minute: m, hour: h, day: d, month: mo, weekday: w } = fields;
  if (!s || !m || !h || !d || !mo || !w) return undefined;
  const shift = style.apscheduler ? 1 : 0;
  const sundayFirst = new Set([...w].map((value) => (value + shift) % 7));
  const either = !style.apscheduler && !day.startsWith('*') && !weekday.startsWith('*');
  return { second: s, minute: m, hour: h, day: d, month: mo, weekday: sundayFirst, either };
}

function field(
  text: string,
  low: number,
  high: number,
  names: readonly string[] = [],
  base = 0,
): Set<number> | undefined {
  const values = new Set<number>();
  const number = (word: string): number => {
    const named = names.indexOf(word.toLowerCase());
    return named >= 0 ? named + base : /^\d+$/.test(word) ? Number(word) : Number.NaN;
  };
  for (const part of text.split(',')) {
    const match = /^(?:(\*)|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part);
    if (match === null) return undefined;
    const [, star, from, to, every] = match;
    const first = star === undefined ? number(from ?? '') : low;
    const open = star !== undefined || (every !== undefined && to === undefined);
    const last = open ? high : to === undefined ? first : number(to);
    const by = every === undefined ? 1 : Number(every);
    if (!(first >= low && last <= high && first <= last && by >= 1)) return undefined;
    for (let value = first; value <= last; value += by) values.add(value);
  }
  return values;
}

const DAY = 86_400_000;

/** The first time after `after` (ms), within eight years; undefined for a line such as 30 February. */
export function nextTime(cron: Cron, after: number): number | undefined {
  const start = Math.floor(after / 1000) * 1000 + 1000;
  let day = Math.floor(start / DAY);
  for (let tries = 0; tries < 366 * 8; tries++, day++) {
    if (!onDay(cron, day)) continue;
    const from = Math.max(start, day * DAY) - day * DAY;
    const within = timeOfDay(cron, from / 1000);
    if (within !== undefined) return day * DAY + within * 1000;
  }
  return undefined;
}

function timeOfDay(cron: Cron, from: number): number | undefined {
  for (let hour = Math.floor(from / 3600); hour < 24; hour++) {
    if (!cron.hour.has(hour)) continue;
    const firstMinute = hour * 3600 >= from ? 0 : Math.floor((from - hour * 3600) / 60);
    for (let minute = firstMinute; minute < 60; minute++) {
      if (!cron.minute.has(minute)) continue;
      const base = hour * 3600 + minute * 60;
      for (let second = Math.max(0, from - base); second < 60; second++) {
        if (cron.second.has(second)) return base + second;
      }
    }
  }
  return undefined;
}

/** `day` counted from 1970-01-01, a Thursday. */
function onDay(cron: Cron, day: number): boolean {
  const { month, date } = civil(day);
  if (!cron.month.has(month)) return false;
  const weekday = cron.weekday.has((day + 4) % 7);
  return cron.either ? weekday || cron.day.has(date) : weekday && cron.day.has(date);
}

/** Month and day of the month (proleptic Gregorian; days from 1970). */
function civil(day: number): { month: number; date: number } {
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const year = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const date = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  return { month: shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9, date };
}
