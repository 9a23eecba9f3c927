import type { OwnParts } from '../../own.ts';
import { didYouMean, type Place } from '../../problem.ts';
import type { ExpandedJob } from '../expansion.ts';
import type { Corpus } from '../load.ts';
import type { Component, Inliner } from '../macros.ts';
import { type Dict, isDict, pythonText } from '../python.ts';

/** What mapping a job's parts says about them. */
export interface Report {
  error(code: string, message: string, at: Place | undefined, hint?: string, part?: Component): void;
  /** A part without a meaning here: an error, or a warning where the site says so. */
  unsupported(what: string, name: string, at: Place | undefined, part?: Component, hint?: string): void;
  /** A part that is not needed here: always a warning. */
  ignored(code: string, message: string, at: Place | undefined, part?: Component): void;
  place(key: string): Place | undefined;
  placeIn(part: Component, key?: string): Place | undefined;
  placeOf(node: unknown, key?: string | number): Place | undefined;
  /** The options of a part; tells every one that is not among `known`. */
  options(kind: string, part: Component, known: readonly string[]): Dict;
  /** The parts of a list inside a part, macros replaced. */
  nested(kind: string, list: unknown, part: Component): readonly Component[];
  /** The site's own builders and publishers. */
  readonly own: OwnParts;
  /** Hosts the site has for scp. */
  readonly scpSites: readonly string[];
}

/** What is supported, to find what was meant. */
export const SUPPORTED: Readonly<Record<string, readonly string[]>> = {
  builder: ['shell', 'python', 'inject', 'conditional-step', 'trigger-builds', 'copyartifact'],
  wrapper: [
    'timeout',
    'timestamps',
    'ansicolor',
    'inject',
    'credentials-binding',
    'ssh-agent-credentials',
    'workspace-cleanup',
    'mask-passwords',
  ],
  publisher: [
    'archive',
    'junit',
    'xunit',
    'scp',
    'postbuildscript',
    'email',
    'email-ext',
    'text-finder',
    'workspace-cleanup',
  ],
  parameter: [
    'string',
    'text',
    'password',
    'choice',
    'bool',
    'label',
    'node',
    'hidden',
    'credentials',
    'validating-string',
    'extended-choice',
  ],
  property: ['inject', 'throttle', 'build-discarder'],
  trigger: ['timed', 'zuul', 'zuul-post'],
};

export interface ReportSettings {
  readonly unsupported: 'error' | 'ignore';
  readonly inliner: Inliner;
  readonly own: OwnParts;
  readonly scpSites: readonly string[];
  /** What was found out before, by kind and name. */
  readonly hints: Map<string, string | undefined>;
}

export function createReport(corpus: Corpus, job: ExpandedJob, settings: ReportSettings): Report {
  const { places, problems } = corpus;
  const { unsupported, hints, own } = settings;
  const via = (part: Component | undefined) => part?.via ?? job.via;
  const meant = (kind: string, name: string): string | undefined => {
    const key = `${kind} ${name}`;
    if (!hints.has(key)) {
      hints.set(key, didYouMean(name, [...known(kind), ...(corpus.entities.get(kind)?.keys() ?? [])]));
    }
    const near = hints.get(key);
    return near === undefined ? undefined : `Did you mean "${near}"?`;
  };
  const known = (kind: string): string[] => [
    ...(SUPPORTED[kind] ?? []),
    ...Object.keys(kind === 'builder' ? own.builders : kind === 'publisher' ? own.publishers : {}),
  ];
  const report: Report = {
    own,
    scpSites: settings.scpSites,
    nested: (kind, list, part) => settings.inliner.inline(kind, list, { data: job.data, via: part.via }),
    error(code, message, at, hint, part) {
      problems.push({ severity: 'error', code, message, at: at ?? job.at, hint, via: via(part) });
    },
    unsupported(what, name, at, part, hint) {
      problems.push({
        severity: unsupported === 'error' ? 'error' : 'warning',
        code: `unsupported-${what}`,
        message: `The ${what} ${JSON.stringify(name)} is not supported${unsupported === 'error' ? '' : ' and is left out'}.`,
        at: at ?? job.at,
        hint:
          hint ??
          meant(what, name) ??
          (unsupported === 'error'
            ? 'Remove it, or set "unsupported: ignore" to run without it.'
            : undefined),
        via: via(part),
      });
    },
    ignored(code, message, at, part) {
      problems.push({ severity: 'warning', code, message, at: at ?? job.at, via: via(part) });
    },
    place: (key) => places.of(job.data, key),
    placeIn: (part, key) =>
      (key === undefined || !isDict(part.value) ? undefined : places.of(part.value, key)) ?? part.at,
    placeOf: (node, key) => places.of(node, key),
    options(kind, part, known) {
      const { value } = part;
      if (value === null || value === undefined) return {};
      if (!isDict(value)) {
        report.error(
          'part-options',
          `The ${kind} ${part.name} needs options, not ${pythonText(value).slice(0, 40)}.`,
          part.at,
          undefined,
          part,
        );
        return {};
      }
      for (const key of Object.keys(value)) {
        if (known.includes(key)) continue;
        const near = didYouMean(key, known);
        const hint = near === undefined ? undefined : `Did you mean "${near}"?`;
        report.unsupported(`${kind}-option`, `${part.name}.${key}`, report.placeIn(part, key), part, hint);
      }
      return value;
    },
  };
  return report;
}

/** JJB reads the words true and false also where a template made text of them. */
export function readFlag(value: unknown, fallback: boolean): boolean {
  if (value === undefined || value === null || value === '') return fallback;
  if (typeof value === 'string') return value.toLowerCase() === 'true';
  return Boolean(value);
}

/** `a/**, b.log` → the patterns. */
export function readPatterns(value: unknown): string[] {
  const text = Array.isArray(value) ? value.map(pythonText).join(',') : pythonText(value ?? '');
  return text
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '')
    .map((pattern) => (pattern.endsWith('/') ? `${pattern}**` : pattern));
}
