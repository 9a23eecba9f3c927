import type { Action } from '../pipelines/action.ts';
import { asFault, type Fault } from '../pipelines/fault.ts';
import type { Store, WorkQueue } from '../pipelines/ports.ts';
import { crashpoint } from './crashpoint.ts';

/**
 * From the outbox into the work queues. Pushing is at least once and may fail at any time: the outbox is the truth, and
 * `sweep` pushes again whatever is undone, so that nothing depends on one push, one broadcast or one worker.
 */
export interface Dispatch {
  /** Hands out the actions of a committed turn. False: some could not be handed out, and a sweep is wanted soon. */
  send(actions: readonly Action[]): Promise<boolean>;
  /** Pushes everything undone again, and says every cancel again that nobody has answered. */
  sweep(): Promise<void>;
}

export function dispatcher(
  store: Store,
  queue: WorkQueue,
  log: (line: { action: string; error: Fault }) => void = () => undefined,
): Dispatch {
  /** Exhaustive by kind: a new kind of action does not compile until it has its way out. */
  async function route(action: Action): Promise<void> {
    switch (action.kind) {
      case 'cancel':
        await queue.cancel(action.target, action.reason);
        break;
      case 'fetch':
      case 'merge':
      case 'acquire':
      case 'build':
      case 'release':
      case 'report':
      case 'mail':
        await queue.push(action);
    }
  }

  async function send(action: Action): Promise<boolean> {
    try {
      await route(action);
      crashpoint(`dispatch.${action.kind}.sent`);
      return true;
    } catch (caught) {
      log({ action: action.id, error: asFault(caught) });
      return false;
    }
  }

  return {
    send: async (actions) => {
      let all = true;
      for (const action of actions) all = (await send(action)) && all;
      return all;
    },
    sweep: async () => {
      for (const action of await store.undone()) await send(action);
      for (const { target, reason } of await store.cancelled()) {
        await queue.cancel(target, reason).catch((caught: unknown) => {
          log({ action: target, error: asFault(caught) });
        });
      }
    },
  };
}
