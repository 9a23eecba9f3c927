import { expect, test } from 'vitest';
import type { AcquireAction, ReleaseAction } from '../pipelines/action.ts';
import { stopped } from '../pipelines/fault.ts';
import type { NodePool } from '../pipelines/ports.ts';
import { acquirer, releaser } from './nodes.ts';

/** A pool with one node that is lent at once, and a list of what was given back. */
function poolOf(): NodePool & { readonly released: string[] } {
  const released: string[] = [];
  const node = { id: 'n-0', name: 'n', label: 'l', role: 'primary', provider: 'p', root: '/' };
  return {
    released,
    acquire: ({ id, nodes }) =>
      Promise.resolve(
        nodes.label === 'huge'
          ? { kind: 'refused', reason: 'no node is that large' }
          : { kind: 'granted', lease: { id: `lease-${id}`, nodes: [node] } },
      ),
    lease: () => Promise.resolve(undefined),
    release: async (lease) => void released.push(lease),
    waiting: () => Promise.resolve([]),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

const acquire: AcquireAction = {
  kind: 'acquire',
  id: 'acquire-1',
  build: 'build-1',
  job: 'job',
  pipeline: 'check',
  precedence: 'normal',
  nodes: { label: 'l' },
};
const release: ReleaseAction = { kind: 'release', id: 'release-1', lease: 'lease-1', acquire: 'acquire-1' };
const never = () => new AbortController().signal;

test('answers the lease and its nodes, or why not', async () => {
  const hand = acquirer(poolOf());
  expect(await hand(acquire, never())).toEqual({ kind: 'granted', lease: 'lease-acquire-1', nodes: ['n'] });
  const huge = { ...acquire, nodes: { label: 'huge' } };
  expect(await hand(huge, never())).toEqual({ kind: 'refused', reason: 'no node is that large' });
});

test('what was lent to a cancelled build goes back', async () => {
  const pool = poolOf();
  const reason = stopped('superseded');
  await expect(acquirer(pool)(acquire, AbortSignal.abort(reason))).rejects.toBe(reason);
  expect(pool.released).toEqual(['lease-acquire-1']);
});

test('nodes of a cancelled build go back when it is done with them', async () => {
  const pool = poolOf();
  let ended = false;
  const end = releaser(pool, { isDone: async () => ended })({ ...release, after: 'build-1' }, never());
  await new Promise((resolve) => setImmediate(resolve));
  expect(pool.released).toEqual([]);
  ended = true;
  await end;
  expect(pool.released).toEqual(['lease-1']);
  await releaser(pool, { isDone: async () => false })(release, never());
  expect(pool.released).toHaveLength(2);
});
