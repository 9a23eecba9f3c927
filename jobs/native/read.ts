import { complaintsOf } from '../complaint.ts';
import type { JobDefinition } from '../definition.ts';
import { isDict } from '../jjb/python.ts';
import { noOwnParts, type OwnParts } from '../own.ts';
import { isError, type Problem, type SourceFile } from '../problem.ts';
import { schemaKeys } from '../schemakeys.ts';
import { readYaml } from '../yaml.ts';
import { definitionOf, NativeFile } from './job.ts';
import { partsOf } from './plugin.ts';

export interface NativeRead {
  readonly jobs: readonly JobDefinition[];
  readonly problems: readonly Problem[];
}

/** Reads a file of native jobs: everything that is wrong at once. Keys that begin with `_` are for anchors. */
export function readNative(source: SourceFile, own: OwnParts = noOwnParts): NativeRead {
  const { value, problems, places } = readYaml(source, { exactFloats: true });
  if (problems.some(isError)) return { jobs: [], problems };
  const root = isDict(value)
    ? Object.fromEntries(Object.entries(value).filter(([key]) => !key.startsWith('_')))
    : value;
  const start = { file: source.name, line: 1, column: 1 };
  const parsed = NativeFile.safeParse(root);
  if (!parsed.success) {
    const keysAt = (path: readonly PropertyKey[]) => schemaKeys(NativeFile, path);
    const about = { root: value, places, start, code: 'native-job', keysAt };
    return {
      jobs: [],
      problems: [...problems, ...parsed.error.issues.flatMap((issue) => complaintsOf(issue, about))],
    };
  }
  const written = isDict(value) ? value['jobs'] : undefined;
  const complaints: Problem[] = [];
  const jobs = Object.entries(parsed.data.jobs).map(([name, job]) => {
    const at = places.of(written, name);
    const scene = { own, job: name, places, start: at, problems: complaints };
    const parts = partsOf(job, isDict(written) ? written[name] : undefined, scene);
    return definitionOf(
      name,
      job,
      parts,
      at === undefined ? undefined : `${at.file}:${at.line}:${at.column}`,
    );
  });
  return { jobs, problems: [...problems, ...complaints] };
}

/** A list is a file of Jenkins Job Builder; a mapping with `jobs:` is one of native jobs. */
export function isNative(source: SourceFile): boolean {
  return /^jobs[ \t]*:/m.test(source.text) && !/^-[ \t]/m.test(source.text);
}
