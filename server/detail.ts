import { blameFor } from './blame.ts';
import { findBuild, type KnownBuild } from './builds.ts';
import { consoleNow } from './consoles.ts';
import type { BuildDetail, Excerpt } from './contract.ts';
import { excerptOf } from './excerpt.ts';
import { logSegments } from './logfile.ts';
import { artifactsOf, readManifest } from './manifest.ts';
import type { ServerPorts } from './ports.ts';

type Sources = Pick<ServerPorts, 'history' | 'live' | 'logs' | 'estimate'>;

const mostArtifacts = 500;
/** Consoles that are read to their end at a time: each costs as much as unpacking it. */
const mostReadings = 2;
const remembered = 300;

/** Everything about a build. What its console ends with is read once; a log that is complete never changes. */
export function buildDetails(sources: Sources): (uuid: string) => Promise<BuildDetail> {
  const excerpts = new Map<string, Promise<Excerpt | undefined>>();
  const turn = inTurns(mostReadings);

  function excerpt(uuid: string, segments: readonly string[]): Promise<Excerpt | undefined> {
    const known = excerpts.get(uuid);
    if (known !== undefined) return known;
    const reading = turn(() => excerptOf(consoleNow(sources, segments, 0)));
    excerpts.set(uuid, reading);
    reading.catch(() => excerpts.delete(uuid));
    const [oldest] = excerpts.keys();
    if (excerpts.size > remembered && oldest !== undefined) excerpts.delete(oldest);
    return reading;
  }

  return async (asked) => {
    const found = await findBuild(sources, asked);
    const { build, logPath } = found;
    const segments = logPath === undefined ? undefined : logSegments(logPath);
    const logs = segments === undefined ? null : `/logs/${segments.map(encodeURIComponent).join('/')}/`;
    const manifest = segments === undefined ? 'absent' : await readManifest(sources.logs.root, segments);
    const kept = typeof manifest === 'string' ? undefined : manifest;
    const failed = build.result !== null && build.result !== 'SUCCESS';
    const artifacts = kept === undefined || logs === null ? [] : artifactsOf(kept, logs, mostArtifacts);
    const read =
      failed && manifest !== 'absent' && segments !== undefined
        ? ((await excerpt(build.uuid, segments)) ?? null)
        : null;
    return {
      ...build,
      ...numbered(found),
      blame: blameFor(build.result, build.detail, read?.telling) ?? null,
      estimate: sources.estimate(build.job, build.project) ?? null,
      logs,
      excerpt: read,
      params: kept?.params ?? null,
      artifacts,
      moreArtifacts: Math.max(0, (kept?.files.length ?? 0) - 1 - artifacts.length),
    };
  };
}

function numbered({ branch, number }: KnownBuild): Pick<BuildDetail, 'branch' | 'number'> {
  return { branch: branch ?? null, number: number ?? null };
}

/** Runs at most so many at a time, the others in the order they came. */
function inTurns(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  let busy = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (busy >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else busy += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) busy -= 1;
      else next();
    }
  };
}
