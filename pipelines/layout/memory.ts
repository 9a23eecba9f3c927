import { createPieces, type PieceMemory } from '../../jobs/yaml/pieces.ts';
import type { JobRules } from './metajobs.ts';
import type { ProjectRead } from './projects.ts';

/**
 * What one reading of a layout leaves for the next, so that a reload with one project changed looks at one project. Every part is
 * the answer to a question, kept with all that was asked: the text of a piece of the file; the job entries with their
 * places; a project's piece under the templates and pipelines of that time. A question that differs in anything is
 * answered afresh, so nothing is ever out of date. Only a reading without errors leaves something.
 */
export interface LayoutMemory {
  options: string;
  pieces: PieceMemory;
  rules: { readonly asked: readonly unknown[]; readonly rules: JobRules } | undefined;
  projects: { readonly asked: readonly unknown[]; readonly read: Map<unknown, ProjectRead> } | undefined;
}

export function createMemory(): LayoutMemory {
  return { options: '', pieces: createPieces(), rules: undefined, projects: undefined };
}

export function forget(memory: LayoutMemory, options: string): void {
  Object.assign(memory, createMemory(), { options });
}

/** The same questions: the same values, in the same order. */
export function sameAs(asked: readonly unknown[], other: readonly unknown[] | undefined): boolean {
  return asked.length === other?.length && asked.every((each, at) => each === other[at]);
}
