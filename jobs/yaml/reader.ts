import type { PartSpot, PlaceBook, TextIndex } from '../places.ts';
import { didYouMean, type Place, type Problem } from '../problem.ts';

/** What the composer works with, and how it says what is wrong. */

export interface TaggedNode {
  readonly tag: string;
  readonly kind: 'scalar' | 'sequence' | 'mapping';
  readonly value: unknown;
  readonly at: Place;
}

export interface YamlOptions {
  /** By tag as written (`!include:`): what a tagged node stands for. */
  readonly tags?: Readonly<Record<string, (node: TaggedNode) => unknown>>;
  /** Below these tags scalars stay the text that was written. */
  readonly textTags?: readonly string[];
  /** Keep `1.0` apart from `1` (see `Float`). Without it both are the number 1. */
  readonly exactFloats?: boolean;
  /** Several files may share one book of places. */
  readonly places?: PlaceBook;
  /** Anchors known before the first line, and after the call also those of this file (JJB's `retain_anchors`). */
  readonly anchors?: Map<string, Anchor>;
}

export interface Anchor {
  readonly value: unknown;
  readonly weight: number;
  readonly at: PartSpot;
}

export interface Reader {
  readonly text: string;
  readonly index: TextIndex;
  readonly places: PlaceBook;
  readonly problems: Problem[];
  readonly options: YamlOptions;
}

export const STANDARD = 'tag:yaml.org,2002:';

/** Leaves the composer from any depth; never leaves readYaml. */
export class Refusal extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

export function duplicateKey(reader: Reader, name: string, at: number, before: number): void {
  reader.problems.push({
    severity: 'warning',
    code: 'duplicate-key',
    message: `The key ${JSON.stringify(name)} appears twice; the last one wins.`,
    at: reader.index.place(at),
    hint: `The first one is on line ${reader.index.place(before).line}. Keep one of them.`,
  });
}

export function unknownTag(reader: Reader, tag: string, at: number): void {
  const near = didYouMean(tag, Object.keys(reader.options.tags ?? {}));
  const hint = near === undefined ? undefined : `Did you mean ${near}?`;
  problem(reader, at, 'unknown-tag', `The tag ${shortTag(tag)} is not supported.`, hint);
}

export function unknownAlias(reader: Reader, at: number, name: string, known: Iterable<string>): never {
  const near = didYouMean(name, known);
  const hint = near === undefined ? undefined : `Did you mean *${near}?`;
  return refuse(reader, at - 1, 'yaml-alias', `No anchor &${name} stands before the alias *${name}.`, hint);
}

export function problem(reader: Reader, at: number, code: string, message: string, hint?: string): void {
  reader.problems.push({ severity: 'error', code, message, at: reader.index.place(at), hint });
}

export function refuse(reader: Reader, at: number, code: string, message: string, hint?: string): never {
  throw new Refusal({ severity: 'error', code, message, at: reader.index.place(at), hint });
}

export function shortTag(tag: string): string {
  return tag.startsWith(STANDARD) ? `!!${tag.slice(STANDARD.length)}` : tag;
}

/** PyYAML refuses a second anchor of the same name. */
export function anchorOnce(
  reader: Reader,
  anchors: ReadonlyMap<string, Anchor>,
  name: string,
  at: number,
): void {
  const before = anchors.get(name);
  if (before === undefined || before.at.text !== reader.index) return;
  const { file, line } = before.at.text.place(before.at.at);
  problem(
    reader,
    at,
    'yaml-anchor',
    `The anchor &${name} stands twice.`,
    `The first one is at ${file}:${line}.`,
  );
}
