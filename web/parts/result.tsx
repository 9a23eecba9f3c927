import type { JSX } from 'preact';
import type { BuildView, ZuulJob } from '../../server/contract.ts';

/** How something went, as colour, sign and word together: none of them says it alone. */

export type Kind = 'good' | 'bad' | 'ci' | 'off' | 'busy' | 'wait';

/** Results that say something about the CI, not about the change. */
const ours = new Set([
  'NODE_FAILURE',
  'RETRY_LIMIT',
  'DISK_FULL',
  'LOST',
  'NOT_REGISTERED',
  'MERGER_FAILURE',
]);
const nobodys = new Set(['CANCELED', 'ABORTED', 'SKIPPED']);

export function kindOf(result: string | null, running: boolean): Kind {
  if (result === null) return running ? 'busy' : 'wait';
  if (result === 'SUCCESS') return 'good';
  if (ours.has(result)) return 'ci';
  return nobodys.has(result) ? 'off' : 'bad';
}

export const kindOfBuild = ({ result, state }: BuildView): Kind =>
  state === 'canceled' ? 'off' : kindOf(result, state === 'running');

export const kindOfJob = ({ result, start_time }: ZuulJob): Kind => kindOf(result, start_time !== null);

const signs: Readonly<Record<Kind, JSX.Element>> = {
  good: <path d="M4.5 8.2 7 10.7l4.6-5" />,
  bad: <path d="m5.3 5.3 5.4 5.4m0-5.4-5.4 5.4" />,
  ci: <path d="M8 4.4v4.4m0 2.6v.1" />,
  off: <path d="M5 8h6" />,
  busy: <path d="M8 3.6a4.4 4.4 0 0 1 4.4 4.4" class="turning" />,
  wait: <path d="M8 5v3.2l2 1.3" />,
};

export function Sign({ kind }: { kind: Kind }) {
  return (
    <svg class={`sign ${kind}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <circle cx="8" cy="8" r="7" />
      {signs[kind]}
    </svg>
  );
}

export function Result({ kind, text }: { kind: Kind; text: string }) {
  return (
    <span class={`result ${kind}`}>
      <Sign kind={kind} />
      {text}
    </span>
  );
}

export function BuildResult({ build }: { build: BuildView }) {
  return (
    <>
      <Result kind={kindOfBuild(build)} text={build.result ?? build.state} />
      {build.voting ? null : <NonVoting />}
    </>
  );
}

export const NonVoting = () => (
  <span class="tag" title="Its result does not count">
    non-voting
  </span>
);
