import type { CollectedFile, LogFolder } from '../pipelines/ports.ts';

/** Jenkins' archiver: files of the workspace go to the log site, as many and as large as a build may keep. */

export interface ArtifactLimits {
  readonly files: number;
  /** Bytes of one file; a larger one is left out. */
  readonly file: number;
  /** Bytes of all files of a build. */
  readonly total: number;
}

export const defaultArtifactLimits: ArtifactLimits = {
  files: 20_000,
  file: 1024 ** 3,
  total: 4 * 1024 ** 3,
};

export interface Archived {
  readonly files: number;
  readonly bytes: number;
  /** Left out for its size or number, and why. */
  readonly skipped: readonly { readonly path: string; readonly why: string }[];
  readonly skippedMore: number;
}

const shownSkips = 100;

export async function archive(
  collect: (include: readonly string[], exclude: readonly string[]) => AsyncIterable<CollectedFile>,
  patterns: {
    readonly include: readonly string[];
    readonly exclude: readonly string[];
    readonly everything?: boolean | undefined;
  },
  folder: LogFolder,
  limits: ArtifactLimits,
): Promise<Archived> {
  let files = 0;
  let bytes = 0;
  const skipped: { path: string; why: string }[] = [];
  let skippedMore = 0;
  const exclude =
    patterns.everything === true ? patterns.exclude : [...antDefaultExcludes, ...patterns.exclude];
  for await (const file of collect(patterns.include, exclude)) {
    const why = tooMuch(file.size, files, bytes, limits);
    if (why === undefined) {
      await folder.add(file);
      files += 1;
      bytes += file.size;
    } else if (skipped.length < shownSkips) {
      skipped.push({ path: file.path, why });
    } else {
      skippedMore += 1;
    }
  }
  return { files, bytes, skipped, skippedMore };
}

function tooMuch(size: number, files: number, bytes: number, limits: ArtifactLimits): string | undefined {
  if (files >= limits.files) return `a build keeps ${limits.files} files`;
  if (size > limits.file) return `it has ${size} bytes, a file may have ${limits.file}`;
  if (bytes + size > limits.total) return `a build keeps ${limits.total} bytes`;
  return undefined;
}

/** What ANT leaves out unless told otherwise: traces of version control and of editors. */
const antDefaultExcludes: readonly string[] = [
  '**/*~',
  '**/#*#',
  '**/.#*',
  '**/%*%',
  '**/._*',
  '**/CVS/**',
  '**/.cvsignore',
  '**/SCCS/**',
  '**/vssver.scc',
  '**/.svn/**',
  '**/.DS_Store',
  '**/.git/**',
  '**/.gitattributes',
  '**/.gitignore',
  '**/.gitmodules',
  '**/.hg/**',
  '**/.hgignore',
  '**/.hgsub',
  '**/.hgsubstate',
  '**/.hgtags',
  '**/.bzr/**',
  '**/.bzrignore',
];
