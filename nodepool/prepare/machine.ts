import { Fault } from '../../pipelines/fault.ts';
import type { Download } from '../config/prepare.ts';
import type { NodeConnection } from '../ssh/connection.ts';
import { textOf } from '../ssh/connection.ts';
import { contentFrames } from '../ssh/frames.ts';
import { type CachedRepository, type CacheOwner, cachedCommits, cacheRepository } from '../ssh/gitcache.ts';
import { saidBy, script } from '../ssh/script.ts';

/** What is done on a machine that is prepared: repositories, downloads, scripts. Done again, it costs what is new. */

export interface Work {
  readonly repositories: readonly Project[];
  readonly downloads: readonly Download[];
  readonly scripts: readonly { readonly name: string; readonly text: string }[];
}

/** A repository that is brought here when its turn comes. */
export interface Project {
  readonly project: string;
  readonly bring: (signal: AbortSignal) => Promise<CachedRepository>;
}

export interface Place {
  readonly connection: NodeConnection;
  /** Folder of the builds. */
  readonly root: string;
  /** Who gets the repositories; root where left out. */
  readonly owner: CacheOwner | undefined;
  readonly say: (line: string) => void;
}

const minute = 60_000;
const day = 24 * 60 * minute;

export async function prepareMachine(work: Work, at: Place, signal: AbortSignal): Promise<void> {
  await cache(work.repositories, at, signal);
  for (const [index, download] of work.downloads.entries()) {
    const note = await fetchFile(download, at.connection, signal);
    at.say(`file ${index + 1} of ${work.downloads.length}: ${download.to}: ${note}`);
  }
  for (const { name, text } of work.scripts) {
    at.say(`script ${name}`);
    await runScript(name, text, at, signal);
  }
}

async function cache(projects: readonly Project[], at: Place, signal: AbortSignal): Promise<void> {
  if (projects.length === 0) return;
  const sorted = projects.toSorted((a, b) => (a.project < b.project ? -1 : 1));
  const names = sorted.map(({ project }) => project);
  const had = await cachedCommits(at.connection, names, signal);
  for (const [index, { project, bring }] of sorted.entries()) {
    const repository = await bring(signal);
    const known = had.get(project) ?? [];
    const to = { root: at.root, owner: at.owner };
    const { bytes, anew } = await cacheRepository(at.connection, repository, known, to, signal);
    const how = anew === undefined ? '' : `, all of it, for it was broken: ${anew}`;
    at.say(`repository ${index + 1} of ${names.length}: ${project}: ${size(bytes)} sent${how}`);
  }
}

/** Answers what was done, in words. */
async function fetchFile(
  { url, sha256, to, via }: Download,
  connection: NodeConnection,
  signal: AbortSignal,
): Promise<string> {
  const look = await connection.run(script('fetch', ['look', sha256, to]), { signal, deadline: 10 * minute });
  if (saidBy(look, `cannot look at ${to}`).trim() === 'there') return 'there already';
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(day)]);
  const said =
    via === 'node'
      ? saidBy(
          await connection.run(script('fetch', ['fetch', sha256, to, url]), { signal, deadline: day }),
          `cannot download ${url}`,
        )
      : await copyFile({ url, sha256, to }, connection, inTime);
  return `${size(Number(said.trim().split(' ')[1]))} downloaded${via === 'node' ? '' : ' by us'}`;
}

/** Downloads it and passes it on as it comes; the machine looks whether it is the right one. */
async function copyFile(
  { url, sha256, to }: Pick<Download, 'url' | 'sha256' | 'to'>,
  connection: NodeConnection,
  signal: AbortSignal,
): Promise<string> {
  const what = `cannot download ${url}`;
  const response = await fetch(url, { signal }).catch((caught: unknown) => {
    throw new Fault('node-lost', `${what}: ${caught instanceof Error ? caught.message : String(caught)}`, {
      retry: true,
      cause: caught,
    });
  });
  if (!response.ok || response.body === null) {
    throw new Fault('node-lost', `${what}: the server answered ${response.status}`);
  }
  const process = await connection.spawn(script('fetch', ['put', sha256, to]), signal);
  const said = textOf(process, connection.where);
  try {
    for await (const piece of response.body) {
      for (const frame of pieces(piece)) {
        if (!process.stdin.write(frame)) await drained(process.stdin, process.ended);
      }
    }
    for (const frame of contentFrames('')) process.stdin.write(frame);
    process.stdin.end();
  } catch (caught) {
    process.kill();
    throw caught;
  }
  return saidBy({ ...(await process.ended), stdout: await said }, what);
}

function pieces(piece: Uint8Array): Uint8Array[] {
  return piece.length === 0 ? [] : [Buffer.from(`${piece.length}\0`), piece];
}

/** Until more may be written, or nobody reads any more. */
async function drained(stream: NodeJS.WritableStream, ended: Promise<unknown>): Promise<void> {
  await Promise.race([new Promise((resolve) => stream.once('drain', resolve)), ended]);
}

/** What the script says is told line by line. Throws Fault `node-lost` with its last words when it fails. */
async function runScript(name: string, text: string, { connection, say }: Place, signal: AbortSignal) {
  const process = await connection.spawn(script('fetch', ['run']), signal);
  process.stdin.end(text);
  let rest = '';
  let last = '';
  const tell = (line: string) => {
    if (line.trim() === '') return;
    last = line;
    say(`  ${line}`);
  };
  for await (const chunk of process.stdout) {
    if (!(chunk instanceof Buffer)) continue;
    const lines = `${rest}${chunk.toString('utf8')}`.split('\n');
    // A progress bar without a newline is no line of interest.
    rest = (lines.pop() ?? '').slice(-1000);
    for (const line of lines) tell(line);
  }
  tell(rest);
  const end = await process.ended;
  saidBy({ ...end, stdout: '', stderr: end.stderr.trim() === '' ? last : end.stderr }, `script ${name}`);
}

/** Makes the machine fit to be copied. */
export async function sealMachine({ connection, root }: Place, signal: AbortSignal): Promise<void> {
  const sealed = await connection.run(script('cache', ['seal', root]), { signal, deadline: 10 * minute });
  saidBy(sealed, 'cannot clean the machine before its image is saved');
}

export function size(bytes: number): string {
  if (bytes < 10_000) return `${bytes} bytes`;
  if (bytes < 10_000_000) return `${Math.round(bytes / 1000)} kB`;
  return bytes < 10_000_000_000 ? `${Math.round(bytes / 1e6)} MB` : `${Math.round(bytes / 1e9)} GB`;
}
