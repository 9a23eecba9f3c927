import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expandJobs } from '../../jobs/jjb/expand.ts';
import { loadCorpus } from '../../jobs/jjb/load.ts';
import { createInliner, inlineJob } from '../../jobs/jjb/macros.ts';
import type { Dict } from '../../jobs/jjb/python.ts';
import { isError, type Problem, renderProblems, type SourceFile } from '../../jobs/problem.ts';
import { canonicalHash } from './canonical.ts';

/**
 * `jjb-corpus TAR_OR_DIR TABLE`: expands all YAML files together and compares every job that the table lists, by hash.
 * The table is text, may be gzipped: `#` comments, then `name TAB sha256 TAB bytes`.
 */
export async function run(args: readonly string[]): Promise<{ passed: number; failed: number }> {
  const [input, table] = args;
  if (input === undefined || table === undefined) throw new Error('usage: jjb-corpus TAR_OR_DIR TABLE');
  const { jobs, problems, sources, seconds } = expandFiles(readFiles(input));
  console.log(`expanded ${jobs.size} jobs in ${seconds.toFixed(2)} s`);
  const errors = problems.filter(isError);
  if (errors.length > 0) console.log(renderProblems(errors.slice(0, 10), sources));
  let passed = 0;
  let failed = 0;
  const listed = readTable(readMaybeGzip(table).toString('utf8'));
  for (const { name, hash, bytes } of listed) {
    const job = jobs.get(name);
    const got = job === undefined ? undefined : canonicalHash(job);
    if (got?.hash === hash) {
      passed++;
      continue;
    }
    failed++;
    if (failed > 20) continue;
    if (got === undefined) console.log(`differs: ${name}: no such job was made`);
    else
      console.log(
        `differs: ${name}: expected ${hash} (${bytes} bytes), got ${got.hash} (${got.bytes} bytes)`,
      );
  }
  if (failed > 20) console.log(`... and ${failed - 20} more`);
  const names = new Set(listed.map((row) => row.name));
  const extra = [...jobs.keys()].filter((name) => !names.has(name));
  if (extra.length > 0)
    console.log(`${extra.length} jobs are not in the table, such as ${extra.slice(0, 3).join(', ')}`);
  return { passed, failed };
}

export interface CorpusFile {
  readonly name: string;
  readonly text: string;
}

export function expandFiles(files: readonly CorpusFile[]): {
  jobs: Map<string, Dict>;
  problems: readonly Problem[];
  sources: readonly SourceFile[];
  seconds: number;
} {
  const start = performance.now();
  const texts = new Map(files.map((file) => [file.name, file.text]));
  const sources = files.filter((file) => /\.ya?ml$/.test(file.name));
  const corpus = loadCorpus(sources, { read: (path) => texts.get(path) });
  const inliner = createInliner(corpus, {});
  const jobs = new Map(expandJobs(corpus, {}).map((job) => [job.name, inlineJob(job, inliner).data]));
  return { jobs, problems: corpus.problems, sources, seconds: (performance.now() - start) / 1000 };
}

export function readTable(text: string): { name: string; hash: string; bytes: number }[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [name = '', hash = '', bytes = ''] = line.split('\t');
      return { name, hash, bytes: Number(bytes) };
    });
}

/** Files of a folder or of a tar archive, sorted by name as JJB reads them. */
export function readFiles(input: string): CorpusFile[] {
  const files = statSync(input).isDirectory() ? readFolder(input) : readTar(readMaybeGzip(input));
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readFolder(folder: string): CorpusFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));
}

function readMaybeGzip(path: string): Buffer {
  const bytes = readFileSync(path);
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
}

/** Plain files of a ustar or pax archive; enough for the archives of the data. */
function readTar(bytes: Buffer): CorpusFile[] {
  const files: CorpusFile[] = [];
  const text = (from: number, length: number): string =>
    bytes.toString('utf8', from, from + length).replace(/\0.*$/s, '');
  let longName: string | undefined;
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12).trim() || '0', 8);
    const type = text(at + 156, 1);
    const body = bytes.toString('utf8', at + 512, at + 512 + size);
    const prefix = text(at + 345, 155);
    const name = longName ?? (prefix === '' ? text(at, 100) : `${prefix}/${text(at, 100)}`);
    longName = undefined;
    if (type === 'x') longName = /\d+ path=(.*)\n/.exec(body)?.[1];
    else if (type === 'L') longName = body.replace(/\0.*$/s, '');
    else if (type === '0' || type === '') files.push({ name: name.replace(/^\.\//, ''), text: body });
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
