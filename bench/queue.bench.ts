import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { event, mail, turn } from '../test/conformance/ports/store.ts';
import { toyHands } from '../test/conformance/ports/toyhands.ts';
import { arrival, STAGES, toyKernel } from '../test/conformance/ports/toykernel.ts';
import { dispatcher } from '../workers/dispatch.ts';
import { openQueue } from '../workers/queue/bullmq.ts';
import { pgliteQueue } from '../workers/queue/postgres.ts';
import { runScheduler } from '../workers/scheduler.ts';
import { openPglite } from '../workers/store/pglite.ts';
import { openStore } from '../workers/store/store.ts';

/**
 * How fast the ring turns on the embedded default: PGlite on disk with fsync, BullMQ on it, one process. `npx tsx
 * bench/queue.bench.ts [file.json]` prints a table and, when asked, writes the numbers.
 */

interface Line {
  readonly what: string;
  readonly unit: string;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

function line(what: string, unit: string, samples: readonly number[]): Line {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const round = (value: number): number => Math.round(value * 100) / 100;
  return { what, unit, p50: round(at(0.5)), p99: round(at(0.99)), max: round(at(1)) };
}

async function timed(count: number, work: (index: number) => Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; index < count; index++) {
    const since = performance.now();
    await work(index);
    samples.push(performance.now() - since);
  }
  return samples;
}

const directory = mkdtempSync(join(tmpdir(), 'stackgate-bench-'));
const clock = { now: () => Date.now() };
const lines: Line[] = [];
const numbers: Record<string, number> = {};

const opening = performance.now();
const db = await openPglite({ directory });
const store = await openStore(db);
numbers['first open, ms'] = performance.now() - opening;

lines.push(line('file one fact', 'ms', await timed(500, (index) => store.file([event(`one/${index}`)]))));
const many = Array.from({ length: 5_000 }, (_, index) => event(`many/${index}`, { raw: 'x'.repeat(2_000) }));
const filing = performance.now();
for (let index = 0; index < many.length; index += 100) await store.file(many.slice(index, index + 100));
numbers['facts filed per s, by 100'] = many.length / ((performance.now() - filing) / 1_000);

const lead = await store.lead(new AbortController().signal);
lines.push(
  line(
    'commit a turn (1 fact, 3 rows, 1 action)',
    'ms',
    await timed(500, async (index) => {
      const [entry] = await store.unused(1);
      const put = ['a', 'b', 'c'].map((key) => ({
        table: 't',
        key: `${key}${index}`,
        value: { text: 'x'.repeat(500) },
      }));
      const used = [{ seq: entry?.seq ?? 0, note: 'used' }];
      await store.commit(turn(lead.epoch, { used, world: { put, drop: [] }, actions: [mail(`m${index}`)] }));
    }),
  ),
);
const committing = performance.now();
let committed = 0;
for (let entries = await store.unused(64); entries.length > 0; entries = await store.unused(64)) {
  const used = entries.map(({ seq }) => ({ seq, note: 'no pipeline wants it' }));
  await store.commit(turn(lead.epoch, { used }));
  committed += used.length;
}
numbers['facts committed per s, by 64'] = committed / ((performance.now() - committing) / 1_000);
await db.transaction((sql) => sql.query('TRUNCATE stackgate.world, stackgate.actions'));
await lead.resign();

const queue = await openQueue(pgliteQueue(db));
let started: (id: string) => void = () => undefined;
await queue.consume('mail', async (action) => started(action.id), { concurrency: 10 });
const nextStart = (): Promise<string> => new Promise((resolve) => (started = resolve));
lines.push(
  line(
    'push → handler starts',
    'ms',
    await timed(500, async (index) => {
      const start = nextStart();
      await queue.push(mail(`push-${index}`));
      await start;
    }),
  ),
);

const stop = new AbortController();
let arrived = 0;
const turns: number[] = [];
let reported: () => void = () => undefined;
await toyHands({ store, queue, clock }, (kind) => {
  turns.push(performance.now() - arrived);
  arrived = performance.now();
  if (kind === 'build') reported();
});
const running = runScheduler(
  { store, dispatch: dispatcher(store, queue), kernel: toyKernel, clock, site: await store.site() },
  stop.signal,
);
const wire = await timed(200, async (index) => {
  const build = new Promise<void>((resolve) => (reported = resolve));
  arrived = performance.now();
  await store.file([arrival(index)]);
  await build;
});
lines.push(line('one turn: file or answer → step → commit → push → handler', 'ms', turns));
lines.push(line('event filed → build starts (4 turns)', 'ms', wire));

const burst = 300;
const bursting = performance.now();
await store.file(Array.from({ length: burst }, (_, index) => arrival(`burst${index}`)));
while ((await store.items({ limit: 1_000 })).filter((row) => row.key.startsWith('burst')).length < burst) {
  await new Promise((resolve) => setTimeout(resolve, 50));
}
numbers[`burst of ${burst} changes × ${STAGES.length} stages, turns per s`] =
  (burst * STAGES.length) / ((performance.now() - bursting) / 1_000);

const maintaining = performance.now();
await db.maintain();
numbers['maintenance, ms'] = performance.now() - maintaining;
const before = process.cpuUsage();
await new Promise((resolve) => setTimeout(resolve, 10_000));
const used = process.cpuUsage(before);
numbers['idle CPU, %'] = (used.user + used.system) / 10 / 10_000;
numbers['resident memory, MB'] = process.memoryUsage().rss / 1e6;

stop.abort();
await running;
await queue[Symbol.asyncDispose]();
await store[Symbol.asyncDispose]();
await db[Symbol.asyncDispose]();
rmSync(directory, { recursive: true, force: true });

console.table(Object.fromEntries(lines.map(({ what, ...rest }) => [what, rest])));
console.table(
  Object.fromEntries(Object.entries(numbers).map(([what, value]) => [what, Math.round(value * 100) / 100])),
);
const [, , file] = process.argv;
if (file !== undefined) writeFileSync(file, JSON.stringify({ lines, numbers }, null, 2));
