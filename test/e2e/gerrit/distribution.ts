import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Gerrit itself, from Maven Central: the two jars of one release that together hold what the WAR holds (all but its web
 * pages), and Bouncy Castle, which Gerrit hashes passwords with. They are kept outside the repository.
 *
 * `GERRIT_WAR=/path/gerrit.war` takes that WAR instead: another version, or a machine without Maven.
 */

const run = promisify(execFile);

export const VERSION = '3.10.2';
const ARTIFACTS = [
  `com.google.gerrit:gerrit-plugin-api:${VERSION}`,
  `com.google.gerrit:gerrit-acceptance-framework:${VERSION}`,
  ...['bcprov', 'bcpkix', 'bcutil', 'bcpg'].map((name) => `org.bouncycastle:${name}-jdk18on:1.72`),
];
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy';
const DOWNLOAD_DEADLINE = 600_000;
const LEAST_JAVA = 17;

/** `args` stand between `java` and the name of Gerrit's program (`init`, `daemon`); `key` names what they are. */
export type Distribution =
  | { readonly kind: 'ready'; readonly args: readonly string[]; readonly key: string }
  | { readonly kind: 'missing'; readonly why: string };

export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'stackgate', 'gerrit');
}

/** Finds Gerrit, or fetches it. Never rejects: what is missing is said in one line. */
export async function findGerrit(): Promise<Distribution> {
  const java = await said('java', '-version');
  const version = Number(/version "(\d+)/.exec(java ?? '')?.[1] ?? 0);
  if (version < LEAST_JAVA) return missing(`Java ${LEAST_JAVA} or newer`);
  const war = process.env['GERRIT_WAR'];
  if (war !== undefined) {
    const key = `war-${createHash('sha256').update(war).digest('hex').slice(0, 12)}`;
    return existsSync(war) ? { kind: 'ready', args: ['-jar', war], key } : missing(`the file ${war}`);
  }
  const jars = join(cacheFolder(), `jars-${VERSION}`);
  if (!existsSync(jars)) {
    if ((await said('mvn', '--version')) === undefined)
      return missing('Maven (or a WAR, named by GERRIT_WAR)');
    const trouble = await download(jars);
    if (trouble !== undefined) return missing(`Gerrit ${VERSION} on Maven Central: ${trouble}`);
  }
  const files = (await readdir(jars)).sort().map((name) => join(jars, name));
  const args = ['-cp', files.join(':'), 'com.google.gerrit.launcher.GerritLauncher'];
  return { kind: 'ready', args, key: VERSION };
}

function missing(what: string): Distribution {
  return { kind: 'missing', why: `the stories on a real Gerrit are skipped, they need ${what}` };
}

async function said(program: string, argument: string): Promise<string | undefined> {
  const answer = await run(program, [argument]).catch(() => undefined);
  return answer === undefined ? undefined : answer.stdout + answer.stderr;
}

/** All or nothing: the folder appears when every jar is in it. */
async function download(jars: string): Promise<string | undefined> {
  await mkdir(cacheFolder(), { recursive: true });
  const partial = await mkdtemp(join(cacheFolder(), 'partial-'));
  try {
    for (const artifact of ARTIFACTS) {
      const options = ['-B', '-q', COPY, `-Dartifact=${artifact}:jar`, `-DoutputDirectory=${partial}`];
      await run('mvn', options, { timeout: DOWNLOAD_DEADLINE });
    }
    await rename(partial, jars);
    return undefined;
  } catch (caught) {
    if (existsSync(jars)) return undefined;
    const text = caught instanceof Error && 'stdout' in caught ? String(caught.stdout) : String(caught);
    return (
      text
        .split('\n')
        .find((line) => line.includes('ERROR'))
        ?.slice(0, 300) ?? text.slice(0, 300)
    );
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
