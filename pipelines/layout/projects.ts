import type { MergeMode } from '../action.ts';
import type { JobTree } from '../layout.ts';
import {
  type At,
  child,
  describe,
  error,
  type Fields,
  isMapping,
  meant,
  pathOf,
  type Reading,
  readFields,
  required,
  wrong,
} from './reading.ts';
import { type Format, fill, parseFormat } from './templates.ts';
import { growTree, noGrowth, type RawJob, readTree, type Total } from './trees.ts';

export interface Template {
  readonly at: At;
  readonly name: string;
  readonly parameters: ReadonlySet<string>;
  /** Every name in its trees, ready to be filled in; without those that cannot be, which are reported. */
  readonly formats: ReadonlyMap<string, Format>;
  readonly pipelines: ReadonlyMap<string, readonly RawJob[]>;
}

export interface ProjectRead {
  readonly at: At;
  readonly name: string;
  readonly mergeMode: MergeMode;
  readonly pipelines: ReadonlyMap<string, readonly JobTree[]>;
  /** Where it names each of its jobs first. */
  readonly mentions: ReadonlyMap<string, At>;
  readonly positions: number;
}

export function readTemplate(reading: Reading, at: At, pipelines: readonly string[]): Template | undefined {
  const fields = readFields(reading, at, 'a project template (a mapping)');
  if (fields === undefined) return undefined;
  if (!fields.has('name')) required(reading, fields, 'name', 'A project template');
  const name = fields.text('name');
  const trees = readPipelines(reading, fields, pipelines);
  unknownPipelines(reading, fields, 'a project template', pipelines);
  if (name === undefined) return undefined;
  const parameters = new Set<string>();
  const formats = new Map<string, Format>();
  for (const jobs of trees.values()) readFormats(reading, jobs, parameters, formats);
  return { at, name, parameters, formats, pipelines: trees };
}

function readPipelines(
  reading: Reading,
  fields: Fields,
  pipelines: readonly string[],
): Map<string, readonly RawJob[]> {
  const trees = new Map<string, readonly RawJob[]>();
  for (const pipeline of pipelines) {
    const at = fields.field(pipeline);
    if (at !== undefined) trees.set(pipeline, readTree(reading, at, pathOf(at)));
  }
  return trees;
}

function unknownPipelines(
  reading: Reading,
  fields: Fields,
  what: string,
  pipelines: readonly string[],
): void {
  for (const key of fields.rest()) {
    const near = meant(key, [...pipelines, 'merge-mode', 'template']);
    const name = JSON.stringify(key);
    error(
      reading,
      child(fields.at, key),
      'unknown-pipeline',
      `${name} is no key of ${what}, and no pipeline has that name.`,
      {
        hint:
          `${near === undefined ? 'Add' : `${near} Else add`} a pipeline ${name}, or take it out here. ` +
          `Pipelines: ${pipelines.join(', ')}.`,
      },
    );
  }
}

/**
 * The parameters that a call must give. Zuul 2.6 does not look at the names of parents: giving such a parameter is an
 * error to it, and omitting it a crash. Its dialect stays that strict.
 */
function readFormats(
  reading: Reading,
  jobs: readonly RawJob[],
  parameters: Set<string>,
  formats: Map<string, Format>,
): void {
  for (const job of jobs) {
    const leaf = typeof job.at.value === 'string' && job.at.value === job.name;
    const format = parseFormat(job.name);
    if ('reason' in format) {
      error(
        reading,
        job.at,
        'bad-template',
        `${JSON.stringify(job.name)} cannot be filled in: ${format.reason}.`,
      );
    } else {
      formats.set(job.name, format);
      const counts = leaf || reading.dialect === 'stackgate';
      for (const part of format) if (counts && typeof part !== 'string') parameters.add(part.parameter);
    }
    readFormats(reading, job.children, parameters, formats);
  }
}

const STRICT_MODES = { merge: 'merge', 'cherry-pick': 'cherry-pick' } as const;
const MODES = { ...STRICT_MODES, 'merge-resolve': 'merge-resolve' } as const;

export interface Known {
  readonly pipelines: readonly string[];
  readonly templates: ReadonlyMap<string, Template>;
  readonly total: Total;
}

export function readProject(reading: Reading, at: At, known: Known): ProjectRead | undefined {
  const fields = readFields(reading, at, 'a project (a mapping)');
  if (fields === undefined) return undefined;
  if (!fields.has('name')) required(reading, fields, 'name', 'A project');
  const name = fields.text('name');
  // Zuul 2.6 has a typing mistake here and refuses the name of its own default.
  const modes = reading.dialect === 'stackgate' ? MODES : STRICT_MODES;
  const mergeMode = fields.choice('merge-mode', modes) ?? 'merge-resolve';
  const automatic = name === undefined ? '' : name.slice(name.lastIndexOf('/') + 1);
  const calls = readCalls(reading, fields.field('template'), known, automatic);
  const own = readPipelines(reading, fields, known.pipelines);
  unknownPipelines(reading, fields, 'a project', known.pipelines);
  if (name === undefined) return undefined;
  const growth = noGrowth(known.total);
  const pipelines = new Map<string, readonly JobTree[]>();
  for (const pipeline of known.pipelines) {
    const expanded = calls.filter((call) => call.template.pipelines.has(pipeline));
    const mine = own.get(pipeline);
    if (expanded.length === 0 && mine === undefined) continue;
    const tree = growTree(reading, growth);
    for (const { template, parameters } of expanded) {
      const fillIn = (job: RawJob): string | undefined =>
        fill(reading, job.at, template.formats.get(job.name), parameters, name);
      tree.add(template.pipelines.get(pipeline) ?? [], fillIn);
    }
    tree.add(mine ?? [], (job) => job.name);
    pipelines.set(pipeline, tree.trees);
  }
  return { at, name, mergeMode, pipelines, mentions: growth.mentions, positions: growth.positions };
}

interface Call {
  readonly template: Template;
  readonly parameters: ReadonlyMap<string, string>;
}

function readCalls(reading: Reading, at: At | undefined, known: Known, automatic: string): Call[] {
  if (at === undefined) return [];
  const strict = reading.dialect === 'zuul-2.6';
  const calls = Array.isArray(at.value)
    ? at.value.map((_, index) => child(at, index))
    : strict
      ? undefined
      : [at];
  if (calls === undefined) {
    wrong(reading, at, 'a list of templates, such as "- name: python-jobs"');
    return [];
  }
  return calls
    .map((call) => readCall(reading, call, pathOf(at), known.templates, automatic))
    .filter((call) => call !== undefined);
}

function readCall(
  reading: Reading,
  at: At,
  path: string,
  templates: ReadonlyMap<string, Template>,
  automatic: string,
): Call | undefined {
  const plain = typeof at.value === 'string' && reading.dialect === 'stackgate' ? at.value : undefined;
  const given = isMapping(at.value) ? at.value : {};
  const name = plain ?? given['name'];
  if (plain === undefined && !isMapping(at.value)) {
    return error(reading, at, 'wrong-type', 'Expected a template call, a mapping with the key name.', {
      path,
    });
  }
  if (typeof name !== 'string') {
    return error(reading, at, 'missing-key', `A template call needs a name, found ${describe(name)}.`, {
      path,
    });
  }
  const template = templates.get(name);
  if (template === undefined) {
    return error(reading, at, 'unknown-template', `There is no project template ${JSON.stringify(name)}.`, {
      hint: meant(name, templates.keys()),
      path,
    });
  }
  const parameters = readParameters(reading, at, path, given, template, automatic);
  return parameters && { template, parameters };
}

function readParameters(
  reading: Reading,
  at: At,
  path: string,
  given: Readonly<Record<string, unknown>>,
  template: Template,
  automatic: string,
): ReadonlyMap<string, string> | undefined {
  const parameters = new Map([['name', automatic]]);
  const before = reading.problems.length;
  for (const [key, value] of Object.entries(given)) {
    if (key === 'name') continue;
    const where = { path: `${path}.${key}` };
    if (!template.parameters.has(key)) {
      error(
        reading,
        child(at, key),
        'unknown-parameter',
        `The template ${template.name} has no parameter ${JSON.stringify(key)}.`,
        { ...where, hint: meant(key, template.parameters) },
      );
    } else if (typeof value === 'string') {
      parameters.set(key, value);
    } else {
      error(reading, child(at, key), 'wrong-type', `Expected a text, found ${describe(value)}.`, {
        ...where,
        hint: 'Put quotes around it.',
      });
    }
  }
  for (const key of template.parameters) {
    if (key === 'name' || Object.hasOwn(given, key)) continue;
    error(
      reading,
      at,
      'missing-parameter',
      `The template ${template.name} needs the parameter ${JSON.stringify(key)}.`,
      { path: `${path}.${key}` },
    );
  }
  return reading.problems.length === before ? parameters : undefined;
}
