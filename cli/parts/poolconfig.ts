import type { PoolConfig } from '../../nodepool/config/config.ts';
import { type House, need } from '../house.ts';
import { storedPool } from '../nodepool.ts';

/**
 * nodepool.yaml as it is in force: with the configuration that the kernel plans by, so it takes effect with layout and jobs or not
 * at all, in every process. Before any was in force, as this process read it when it started.
 */
export function poolInForce(house: House): () => Promise<PoolConfig> {
  let known: { readonly digest: string | undefined; readonly config: PoolConfig } | undefined;
  return async () => {
    const { store } = need(house, 'core');
    const digest = await store.inForce();
    if (known !== undefined && known.digest === digest) return known.config;
    const stored = digest === undefined ? house.opened : await store.config(digest);
    known = { digest, config: storedPool(stored ?? {}) };
    return known.config;
  };
}
