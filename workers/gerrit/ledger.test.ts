import { describe, expect, it } from 'vitest';
import type { GerritEvent } from '../../pipelines/event.ts';
import type { Sweep } from '../../pipelines/ports.ts';
import { testPglite } from '../../test/conformance/ports/openers.ts';
import { memoryStore } from '../memory/store.ts';
import { openStore } from '../store/store.ts';
import { ledgerOver } from './ledger.ts';

const event = (n: number, connection = 'gerrit'): GerritEvent => ({
  kind: 'GerritEvent',
  at: n,
  connection,
  via: 'stream',
  type: 'comment-added',
  number: String(n % 3),
  comment: `text ${n} \0 \ud800`,
});
const sweep = (to: number): Sweep => ({
  connection: 'gerrit',
  reason: 'timer',
  origin: 1,
  from: 1,
  to,
  asked: 0,
  found: 0,
  missed: 0,
  filed: 0,
});

describe.each(['memory', 'PGlite'])('the ledger over %s', (kind) => {
  it('finds the events of changes in order, and keeps the newest sweeps', async () => {
    const database = kind === 'PGlite' ? await testPglite() : undefined;
    const store = database === undefined ? memoryStore() : await openStore(await database.fresh());
    const ledger = ledgerOver(store, store);
    const facts = Array.from({ length: 2_500 }, (_, n) => ({ key: `k${n}`, fact: event(n) }));
    await store.file([
      ...facts,
      { key: 'other', fact: event(1, 'other') },
      { key: 't', fact: { kind: 'Tick', at: 1 } },
    ]);
    const found = await ledger.events('gerrit', ['0', '1'], 0);
    expect(found.map(({ key }) => key)).toEqual(facts.filter((_, n) => n % 3 < 2).map(({ key }) => key));
    expect(await ledger.events('gerrit', ['0'], Date.now() + 60_000)).toEqual([]);
    expect(await ledger.sweeps('gerrit', 5)).toEqual([]);
    for (let to = 1; to <= 3; to++) await ledger.swept(sweep(to));
    await ledger.swept({ ...sweep(4), failed: 'away' });
    expect((await ledger.sweeps('gerrit', 2)).map(({ to, failed }) => [to, failed])).toEqual([
      [4, 'away'],
      [3, undefined],
    ]);
    expect(await ledger.sweeps('other', 2)).toEqual([]);
    await store[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
  });
});
