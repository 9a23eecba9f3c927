import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type ClientRequest, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { z } from 'zod';
import { buildServer } from '../server/app.ts';
import { house, liveBuild } from '../test/fakes/house.ts';
import { followConsole } from '../workers/logs/live.ts';

/**
 * A thousand pages on one running console: `npx tsx bench/sse.bench.ts`; `CLIENTS=1000 SECONDS=10 RATE=200` say how many, how
 * long, and how many lines of 100 bytes a second. The server runs in a process of its own and is what is measured: memory,
 * processor, the longest stall of its event loop. The readers measure the lag from the moment a line is written.
 */

const clients = Number(process.env['CLIENTS'] ?? 1_000);
const seconds = Number(process.env['SECONDS'] ?? 10);
const rate = Number(process.env['RATE'] ?? 200);
const uuid = 'a'.repeat(32);

const Measured = z.object({ rss: z.number(), cpu: z.number(), stall: z.number() });

if (process.send === undefined) await measure();
else await serve(process.argv[2] ?? '', process.send.bind(process));

/** The door alone, over a folder that somebody else writes to. */
async function serve(folder: string, send: NonNullable<typeof process.send>): Promise<void> {
  const test = house();
  test.logs = folder;
  test.live = [liveBuild(uuid)];
  test.follow = followConsole;
  const app = buildServer(test.ports());
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let cpu = process.cpuUsage();
  let since = performance.now();
  process.on('message', (word) => {
    if (word === 'begin') {
      cpu = process.cpuUsage();
      since = performance.now();
      delay.reset();
      delay.enable();
      send('begun');
      return;
    }
    const used = process.cpuUsage(cpu);
    send({
      rss: process.memoryUsage.rss() / 1024 ** 2,
      cpu: (used.user + used.system) / 1000 / (performance.now() - since),
      stall: delay.max / 1e6,
    } satisfies z.infer<typeof Measured>);
  });
  send(address);
}

async function measure(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'stackgate-bench-sse-'));
  const log = join(folder, '07/7/1/check/unit', uuid.slice(0, 7));
  await mkdir(log, { recursive: true });
  await writeFile(join(log, 'console.txt'), 'begin\n'.repeat(1_000));
  const server = fork(new URL(import.meta.url).pathname, [folder], { execArgv: process.execArgv });
  const ask = async (word: string): Promise<unknown> => {
    server.send(word);
    return said(server);
  };
  try {
    const address = String(await said(server));
    // What the machine itself does to a process that does nothing.
    await ask('begin');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const idle = Measured.parse(await ask('look'));
    const url = `${address}/api/v1/builds/${uuid}/console?offset=6000`;
    const lags: number[] = [];
    const readers: ClientRequest[] = [];
    let lost = 0;
    for (let n = 0; n < clients; n += 50)
      readers.push(
        ...(await Promise.all(
          Array.from({ length: Math.min(50, clients - n) }, () => read(url, lags, () => (lost += 1))),
        )),
      );
    // One that never takes a byte: it must cost the others nothing.
    const deaf = get(url, { headers: { accept: 'text/event-stream' } }, (answer) => answer.pause());
    deaf.on('error', () => undefined);
    await ask('begin');
    const lines = await write(join(log, 'console.txt'));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const busy = Measured.parse(await ask('look'));
    for (const reader of readers) reader.destroy();
    deaf.destroy();
    lags.sort((a, b) => a - b);
    const lag = (part: number) => Math.round(lags[Math.floor(part * (lags.length - 1))] ?? 0);
    const row = {
      clients,
      'lines/s': Math.round(lines / seconds),
      'RSS + MiB': Math.round(busy.rss - idle.rss),
      'processor %': Math.round(busy.cpu * 100),
      'longest stall ms': Math.round(busy.stall),
      'of an idle process ms': Math.round(idle.stall),
      'lag p50 ms': lag(0.5),
      'lag p99 ms': lag(0.99),
      'got %': Math.round((100 * lags.length) / (lines * clients)),
      lost,
    };
    console.table([row]);
    console.log(JSON.stringify(row));
  } finally {
    server.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

async function said(from: ChildProcess): Promise<unknown> {
  const [message] = await once(from, 'message');
  return message;
}

/** Lines with the time they were written. */
async function write(file: string): Promise<number> {
  const step = 50;
  const each = Math.max(1, Math.round((rate * step) / 1_000));
  let lines = 0;
  const end = performance.now() + seconds * 1_000;
  while (performance.now() < end) {
    const stamp = `at ${Date.now()} `;
    await appendFile(file, `${stamp.padEnd(99, 'x')}\n`.repeat(each));
    lines += each;
    await new Promise((resolve) => setTimeout(resolve, step));
  }
  return lines;
}

function read(url: string, lags: number[], gone: () => void): Promise<ClientRequest> {
  return new Promise((resolve, reject) => {
    const request = get(url, { headers: { accept: 'text/event-stream' }, agent: false }, (answer) => {
      answer.setEncoding('latin1');
      answer.on('data', (text: string) => {
        const now = Date.now();
        for (const match of text.matchAll(/at (\d{13}) /g)) lags.push(now - Number(match[1]));
      });
      answer.on('close', gone);
      answer.on('error', () => undefined);
      resolve(request);
    });
    request.on('error', reject);
  });
}
