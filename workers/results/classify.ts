import type { ShellExit } from '../../pipelines/ports.ts';

/** The word for how a build ended, and one sentence why. */
export interface Verdict {
  readonly result: string;
  readonly detail?: string;
}

/**
 * TIMED_OUT is Zuul's word where Jenkins says ABORTED, or FAILURE with `fail: true`; both fail the item, and TIMED_OUT tells
 * people more. DISK_FULL needs a failing job: one that succeeded on a full disk succeeded.
 */
export function classify(
  exit: ShellExit,
  build: { steps: readonly string[]; timeout: number; quiet?: number | undefined },
): Verdict {
  switch (exit.stopped) {
    case 'cancel':
      return { result: 'ABORTED', detail: 'cancelled' };
    case 'timeout':
      return { result: 'TIMED_OUT', detail: `timed out after ${inWords(build.timeout)}` };
    case 'quiet':
      return { result: 'TIMED_OUT', detail: `timed out after ${inWords(build.quiet ?? 0)} without output` };
    case 'output':
      return { result: 'FAILURE', detail: 'ended because it wrote more output than it may' };
    case null:
      break;
  }
  if (exit.code === 0) return { result: 'SUCCESS' };
  const step = build.steps.length > 1 ? `step ${build.steps[exit.step] ?? exit.step + 1}` : 'the script';
  if (exit.diskFull === true) {
    return { result: 'DISK_FULL', detail: `${step} failed (${howItEnded(exit)}) while the disk was full` };
  }
  return { result: 'FAILURE', detail: `${step} ${howItEnded(exit)}` };
}

/** The verdict, or the result instead if that is worse. */
export function worse(verdict: Verdict, result: string, detail: string): Verdict {
  return severity(result) > severity(verdict.result) ? { result, detail } : verdict;
}

/** From SUCCESS by UNSTABLE to what failed; a build that was stopped stays stopped. */
function severity(result: string): number {
  switch (result) {
    case 'SUCCESS':
      return 0;
    case 'UNSTABLE':
      return 1;
    case 'FAILURE':
    case 'POST_FAILURE':
    case 'DISK_FULL':
      return 2;
    case 'NOT_BUILT':
      return 3;
    default:
      return 4;
  }
}

function howItEnded(exit: ShellExit): string {
  if (exit.signal === 'SIGKILL') return 'was killed by SIGKILL, perhaps for want of memory';
  if (exit.signal !== null) return `was killed by ${exit.signal}`;
  if (exit.code === 126) return 'ended with exit code 126: a command that cannot be executed';
  if (exit.code === 127) return 'ended with exit code 127: a command that is not there';
  if (exit.code === 137) return 'ended with exit code 137: a command was killed, perhaps for want of memory';
  return `ended with exit code ${exit.code ?? 'unknown'}`;
}

/** `1h 02m 03s`, as Zuul writes times. */
export function inWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  const two = (number: number) => `${number}`.padStart(2, '0');
  if (h > 0) return `${h}h ${two(m)}m ${two(s)}s`;
  return m > 0 ? `${m}m ${two(s)}s` : `${s}s`;
}
