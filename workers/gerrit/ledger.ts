import { z } from 'zod';
import type { History, Ledger, LedgerEvent, Store, Sweep } from '../../pipelines/ports.ts';

/** The ledger's question, asked of the store: facts are read back by time, sweeps are kept as one effect per connection. */

const Kept = z.array(
  z.object({
    connection: z.string(),
    reason: z.string(),
    origin: z.number(),
    from: z.number(),
    to: z.number(),
    asked: z.number(),
    found: z.number(),
    missed: z.number(),
    filed: z.number(),
    failed: z.string().exactOptional(),
  }),
);
const PAGE = 1_000;
/** Two weeks of a sweep every five minutes would be 4,032; people look at the last days. */
const KEEP = 1_000;

export function ledgerOver(
  store: Pick<Store, 'effect' | 'saveEffect'>,
  history: Pick<History, 'ledger'>,
): Ledger {
  const effect = (connection: string) => `sweeps-${connection}`;
  const kept = async (connection: string): Promise<Sweep[]> => {
    const read = Kept.safeParse(await store.effect(effect(connection)));
    return read.success ? read.data : [];
  };
  return {
    async events(connection, numbers, since) {
      const wanted = new Set(numbers);
      const found: LedgerEvent[] = [];
      for (let before: number | undefined; ; ) {
        const page = await history.ledger({
          since,
          kind: 'GerritEvent',
          limit: PAGE,
          ...(before === undefined ? {} : { before }),
        });
        for (const { key, fact } of page) {
          if (fact.kind !== 'GerritEvent' || fact.connection !== connection) continue;
          if (fact.number !== undefined && wanted.has(fact.number)) found.push({ key, fact });
        }
        before = page[page.length - 1]?.seq;
        if (page.length < PAGE) return found.reverse();
      }
    },
    async swept(sweep) {
      const sweeps = [...(await kept(sweep.connection)), sweep].slice(-KEEP);
      await store.saveEffect(effect(sweep.connection), sweeps);
    },
    async sweeps(connection, limit) {
      return (await kept(connection)).slice(-limit).reverse();
    },
  };
}
