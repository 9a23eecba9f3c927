import { describe, expect, it } from 'vitest';
import { Fault } from '../../pipelines/fault.ts';
import type { Filed } from '../../pipelines/ports.ts';
import { createFiler } from './filer.ts';

const fact = (n: number, raw = ''): Filed => ({ key: `k${n}`, fact: { kind: 'Tick', at: n }, raw });

describe('the filer', () => {
  it('keeps the order over failures of the ledger, in batches', async () => {
    const seen: string[] = [];
    const troubles: string[] = [];
    let fail = 2;
    const filer = createFiler({
      file: async (facts) => {
        if (fail-- > 0) throw new Fault('database-away', 'away', { retry: true });
        seen.push(...facts.map(({ key }) => key));
      },
      onTrouble: ({ code }) => troubles.push(code),
      random: () => 0,
    });
    for (let n = 0; n < 1_200; n++) expect(filer.push(fact(n))).toBe(true);
    await filer.drained();
    expect(seen).toEqual(Array.from({ length: 1_200 }, (_, n) => `k${n}`));
    expect(troubles).toEqual(['database-away', 'database-away']);
    expect([filer.filed, filer.size]).toEqual([1_200, 0]);
    filer.push(fact(1_200));
    await filer.drained();
    expect(seen.at(-1)).toBe('k1200');
  });

  it('says when it is full, by number and by size, and takes again when it is not', async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const filer = createFiler({
      file: () => gate,
      onTrouble: () => undefined,
      maxFacts: 3,
      maxBytes: 10_000,
    });
    expect([1, 2, 3, 4].map((n) => filer.push(fact(n)))).toEqual([true, true, true, false]);
    open();
    await filer.drained();
    expect(filer.push(fact(5, 'x'.repeat(10_000)))).toBe(false);
    expect(filer.push(fact(6))).toBe(true);
  });

  it('ends although the ledger is away', async () => {
    const filer = createFiler({
      file: () => Promise.reject(new Fault('database-away', 'away', { retry: true })),
      onTrouble: () => undefined,
    });
    filer.push(fact(1));
    await filer[Symbol.asyncDispose]();
    expect(filer.filed).toBe(0);
  });
});
