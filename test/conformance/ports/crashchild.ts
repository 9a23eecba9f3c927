import { appendFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { dispatcher } from '../../../workers/dispatch.ts';
import { openQueue } from '../../../workers/queue/bullmq.ts';
import { pgliteQueue } from '../../../workers/queue/postgres.ts';
import { runScheduler } from '../../../workers/scheduler.ts';
import { openPglite } from '../../../workers/store/pglite.ts';
import { openStore } from '../../../workers/store/store.ts';
import { toyHands } from './toyhands.ts';
import { arrival, toyKernel } from './toykernel.ts';

/**
 * A whole ring in a process that a test kills: `crashchild.ts <directory> <events>`. It files the events (again), says
 * `filed <n>` when the store acknowledged that many, notes each hand's work in `<directory>/hands`, and ends with `settled`
 * when everything is history and every waiting cancel is done.
 */

const [, , directory = '', count = '0'] = process.argv;
const events = Number(count);
const clock = { now: () => Date.now() };
const say = (text: string): void => void writeSync(1, `${text}\n`);

const db = await openPglite({ directory });
const store = await openStore(db);
const queue = await openQueue(pgliteQueue(db), { onError: (error) => say(`queue: ${String(error)}`) });
await toyHands(
  { store, queue, clock, log: (line) => say(`hand: ${line.action}: ${line.error.message}`) },
  (_, id) => appendFileSync(join(directory, 'hands'), `${id}\n`),
);
const stop = new AbortController();
const running = runScheduler(
  {
    store,
    dispatch: dispatcher(store, queue, (line) => say(`dispatch: ${line.error.message}`)),
    kernel: toyKernel,
    clock,
    site: await store.site(),
    log: (line) => say(`scheduler: ${line.kind}`),
  },
  stop.signal,
);
for (let from = 1; from <= events; from += 20) {
  const to = Math.min(events, from + 19);
  await store.file(Array.from({ length: to - from + 1 }, (_, index) => arrival(from + index)));
  say(`filed ${to}`);
}
for (;;) {
  const items = await store.items({ limit: events + 1 });
  if (items.length === events && (await store.undone()).length === 0) break;
  await new Promise((resolve) => setTimeout(resolve, 20));
}
stop.abort();
await running;
await queue[Symbol.asyncDispose]();
await store[Symbol.asyncDispose]();
await db[Symbol.asyncDispose]();
say('settled');
