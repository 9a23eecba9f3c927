import type { Copy, WhichBuild } from '../jobs/definition/builder.ts';
import { unreachable } from '../pipelines/unreachable.ts';
import type { Settled, WaitsFor } from './held.ts';
import type { Neighbours, PastBuild } from './neighbours.ts';

/** Jenkins' Copy Artifact: which build of another job, and what a build without one means. */

/** How far back a build is looked for. */
const farthest = 500;

export async function chosenBuild(waits: WaitsFor, copy: Copy): Promise<Settled> {
  const { neighbours, action } = waits;
  const past = (await neighbours?.past(copy.job, farthest)) ?? [];
  const found = pick(past, copy.which, action.params);
  if (found === undefined || neighbours === undefined) {
    return missing(copy, `${copy.job} has no build that is ${inWords(copy.which)}`);
  }
  const files = await count(neighbours, found, copy);
  if (files === 0) return missing(copy, `build ${found.number} of ${copy.job} has none of these artifacts`);
  const { variable } = copy;
  return {
    message: `Copied ${files} artifacts of ${copy.job} #${found.number}`,
    code: 0,
    variables: variable === undefined ? {} : { [variable]: `${found.number}` },
    from: found.logPath,
  };
}

function missing(copy: Copy, why: string): Settled {
  return { message: `No artifacts copied: ${why}`, code: copy.optional ? 0 : 1, variables: {} };
}

async function count(neighbours: Neighbours, build: PastBuild, copy: Copy): Promise<number> {
  let files = 0;
  for await (const _ of neighbours.artifacts(build, copy.include, copy.exclude, new AbortController().signal))
    files += 1;
  return files;
}

function pick(
  past: readonly PastBuild[],
  which: WhichBuild,
  params: Readonly<Record<string, string>>,
): PastBuild | undefined {
  const byResult = (...results: string[]) => past.find((build) => results.includes(build.result));
  const byNumber = (number: string) => past.find((build) => `${build.number}` === number);
  switch (which.kind) {
    case 'last-successful':
      return which.stable ? byResult('SUCCESS') : byResult('SUCCESS', 'UNSTABLE');
    case 'last-completed':
      return past[0];
    case 'last-failed':
      return past.find((build) => !['SUCCESS', 'UNSTABLE', 'ABORTED', 'NOT_BUILT'].includes(build.result));
    case 'last-unstable':
      return byResult('UNSTABLE');
    case 'last-unsuccessful':
      return past.find((build) => build.result !== 'SUCCESS');
    case 'number':
      return byNumber(which.number);
    case 'parameter':
      return byNumber(params[which.name] ?? '');
    case 'upstream': {
      const upstream = past.find((build) => build.uuid === params['UPSTREAM_UUID']);
      return upstream ?? (which.fallback ? byResult('SUCCESS', 'UNSTABLE') : undefined);
    }
    default:
      return unreachable(which);
  }
}

function inWords(which: WhichBuild): string {
  switch (which.kind) {
    case 'number':
      return `number ${which.number}`;
    case 'parameter':
      return `the number in ${which.name}`;
    case 'upstream':
      return 'the one that triggered this';
    default:
      return which.kind;
  }
}
