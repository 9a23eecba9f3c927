import type { JobRule } from '../layout.ts';
import { type Matcher, matcher } from '../pattern.ts';
import { isMetajob, type JobEntry, type Settings } from './jobs.ts';

export interface JobRules {
  /** `place`: where a project names it, for jobs that stand nowhere else. */
  rule(name: string, place: () => string | undefined): JobRule;
  /** Which metajobs (the first is 0) none of these jobs comes under. */
  idle(names: Iterable<string>): number[];
}

/**
 * Metajobs (zuul-v2.md 1.4): a job takes, in the order of the file, what every metajob says that stands before its own entry
 * (or anywhere, if it has none) and whose pattern matches its name; its own entry overrides. Tags and swift
 * sections add up. Queue names and attempts are never handed on.
 */
export function jobRules(entries: readonly JobEntry[]): JobRules {
  const metajobs = entries.filter((entry) => isMetajob(entry.name)).map(readMetajob);
  const index = indexMetajobs(metajobs);
  const combine = combiner();
  const made = new Map<string, { readonly rule: JobRule; readonly applied: readonly Metajob[] }>();
  const make = (name: string, count: number, own?: JobEntry) => {
    const applied = index.applying(name, count);
    const known = { applied, rule: { ...combine(applied, own), name } };
    made.set(name, known);
    return known;
  };
  let before = 0;
  for (const entry of entries) {
    if (isMetajob(entry.name)) before += 1;
    else make(entry.name, before, entry);
  }
  const get = (name: string) => made.get(name) ?? make(name, metajobs.length);
  return {
    rule(name, mention) {
      const { rule } = get(name);
      if (rule.place !== undefined) return rule;
      const place = mention();
      return place === undefined ? rule : { ...rule, place };
    },
    idle(names) {
      const idle = new Set(metajobs.keys());
      for (const name of names) for (const { index: used } of get(name).applied) idle.delete(used);
      return [...idle];
    },
  };
}

/** Queue names and attempts are never handed on. */
function readMetajob(entry: JobEntry, index: number): Metajob {
  const { queueName: _name, attempts: _attempts, ...settings } = entry.settings;
  return {
    index,
    entry: { ...entry, settings },
    matcher: matcher(entry.name),
    mark: String.fromCodePoint(0x1000 + index),
  };
}

interface Metajob {
  readonly index: number;
  readonly entry: JobEntry;
  readonly matcher: Matcher;
  /** A letter of its own: a series of metajobs is a word. */
  readonly mark: string;
}

/**
 * Which of hundreds of metajobs match a name? Every pattern but a few says some text that must be there. Three letters of it, the
 * rarest, are looked for in the name; only patterns whose letters are there are asked.
 */
interface MetajobIndex {
  /** Those of the first `count` that match, in the order of the file. */
  applying(name: string, count: number): Metajob[];
}

function indexMetajobs(metajobs: readonly Metajob[]): MetajobIndex {
  const frequency = new Map<number, number>();
  for (const { matcher } of metajobs) {
    for (const triple of matcher.texts.flatMap(triples)) {
      frequency.set(triple, (frequency.get(triple) ?? 0) + 1);
    }
  }
  const rarest = (text: string): number | undefined =>
    triples(text).toSorted((a, b) => (frequency.get(a) ?? 0) - (frequency.get(b) ?? 0))[0];
  const always: Metajob[] = [];
  const byTriple = new Map<number, Metajob[]>();
  for (const metajob of metajobs) {
    const keys = metajob.matcher.texts.map(rarest);
    if (keys.length === 0 || keys.includes(undefined)) always.push(metajob);
    else {
      for (const key of new Set(keys)) {
        if (key !== undefined) byTriple.set(key, [...(byTriple.get(key) ?? []), metajob]);
      }
    }
  }
  return {
    applying(name, count) {
      const found = always.filter(({ index, matcher }) => index < count && matcher.matches(name));
      let triple = 0;
      for (let i = 0; i < name.length; i++) {
        triple = nextTriple(triple, name.charCodeAt(i));
        const candidates = i < 2 ? undefined : byTriple.get(triple);
        if (candidates === undefined) continue;
        for (const metajob of candidates) {
          if (metajob.index < count && !found.includes(metajob) && metajob.matcher.matches(name))
            found.push(metajob);
        }
      }
      return found.length > 1 ? found.sort((a, b) => a.index - b.index) : found;
    },
  };
}

/** Three letters as one number. Letters beyond ASCII are mixed up with others, which costs a question and no answer. */
function nextTriple(before: number, code: number): number {
  return ((before << 7) | (code & 0x7f)) & 0x1fffff;
}

function triples(text: string): number[] {
  const found: number[] = [];
  let triple = 0;
  for (let i = 0; i < text.length; i++) {
    triple = nextTriple(triple, text.charCodeAt(i));
    if (i >= 2) found.push(triple);
  }
  return found;
}

type Nameless = Omit<JobRule, 'name'>;

/** What a series of metajobs makes is made once: thousands of jobs come under the same few series. */
function combiner(): (applied: readonly Metajob[], own: JobEntry | undefined) => Nameless {
  const made = new Map<string, Nameless>();
  return (applied, own) => {
    let key = '';
    for (const { mark } of applied) key += mark;
    const known = own === undefined ? made.get(key) : undefined;
    if (known !== undefined) return known;
    const said = applied.map((metajob) => metajob.entry);
    if (own !== undefined) said.push(own);
    const place = said.at(-1)?.place;
    const places = settingPlaces(said, place);
    const rule: Nameless = {
      ...NOTHING_SAID,
      ...said.map((entry) => entry.settings).reduce(override, {}),
      ...(place === undefined ? {} : { place }),
      ...(places === undefined ? {} : { places }),
    };
    if (own === undefined) made.set(key, rule);
    return rule;
  };
}

/** A job of which no layout says anything. */
export const NOTHING_SAID: Nameless = {
  voting: true,
  holdFollowingChanges: false,
  attempts: 3,
  tags: [],
  branches: [],
  files: [],
  irrelevantFiles: [],
  skipIf: [],
  swift: [],
};

/** Where each setting was said last, if that is not `place`. */
function settingPlaces(applied: readonly JobEntry[], place: string | undefined): JobRule['places'] {
  const places = new Map<string, string>();
  for (const { settings, place: said } of applied) {
    for (const setting of Object.keys(settings)) if (said !== undefined) places.set(setting, said);
  }
  const elsewhere = [...places].filter(([, said]) => said !== place);
  return elsewhere.length === 0 ? undefined : Object.fromEntries(elsewhere);
}

function override(below: Settings, above: Settings): Settings {
  const tags = [...new Set([...(below.tags ?? []), ...(above.tags ?? [])])];
  const swift = new Map([...(below.swift ?? []), ...(above.swift ?? [])].map((each) => [each['name'], each]));
  return { ...below, ...above, tags, swift: [...swift.values()] };
}
