import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { asFault, Fault } from '../../pipelines/fault.ts';

/**
 * Repeats `attempt`, which must bear that, while the node cannot be reached. A machine that restarts, a switch that is
 * replaced, an sshd that is upgraded: the build goes on under its supervisor and is found again. After `patience` ms without
 * a sign of life (`alive` counts as one), and at once when waiting cannot help, the build's node is lost: Fault `node-lost`.
 */
export async function whileAway<T>(
  patience: number,
  signal: AbortSignal,
  attempt: (alive: () => void) => Promise<T>,
): Promise<T> {
  let heard = performance.now();
  const alive = () => {
    heard = performance.now();
  };
  for (;;) {
    try {
      signal.throwIfAborted();
      return await attempt(alive);
    } catch (caught) {
      const fault = asFault(caught);
      if (signal.aborted) throw detached(fault);
      switch (fault.code) {
        case 'node-host-key':
        case 'node-login':
          throw lost(fault.message, fault);
        case 'node-away':
        case 'deadline':
          if (performance.now() - heard > patience) {
            throw lost(`no sign of life for ${Math.round(patience / 1000)} s: ${fault.message}`, fault);
          }
          await sleep(100, undefined, { signal }).catch(() => undefined);
          break;
        default:
          throw fault;
      }
    }
  }
}

function lost(message: string, cause: Fault): Fault {
  return new Fault('node-lost', message, { hint: cause.hint, cause });
}

function detached(cause: Fault): Fault {
  return new Fault('stopped', 'no longer wanted', { retry: true, cause });
}
