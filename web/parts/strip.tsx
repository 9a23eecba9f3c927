import type { JobShort } from '../../server/contract.ts';
import { duration, moment } from '../format.ts';
import { pathOf } from '../router.ts';
import { kindOf } from './result.tsx';

/** The last builds of a job, oldest first: colour says how, height says how long. Each leads to its build. */
export function Strip({ builds }: { builds: JobShort['recent'] }) {
  if (builds.length === 0) return <span class="dim">never ran</span>;
  const longest = Math.max(1, ...builds.map(({ took }) => took ?? 0));
  return (
    <span class="strip">
      {builds.toReversed().map(({ uuid, result, took, at }) => {
        const text = `${result}${took === null ? '' : ` in ${duration(took)}`}, ${moment(at)}`;
        return (
          <a key={uuid} class={kindOf(result, false)} href={pathOf('build', uuid)} title={text}>
            <span class="sr">{text}</span>
            <i style={{ height: `${Math.round(25 + (75 * (took ?? 0)) / longest)}%` }} />
          </a>
        );
      })}
    </span>
  );
}

/** Of those that said something about a change. */
export function successRate(builds: JobShort['recent']): string {
  const kinds = builds.map(({ result }) => kindOf(result, false));
  const good = kinds.filter((kind) => kind === 'good').length;
  const bad = kinds.filter((kind) => kind === 'bad').length;
  return good + bad === 0 ? '–' : `${Math.round((100 * good) / (good + bad))} %`;
}
