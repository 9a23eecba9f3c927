import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { defaultSettings } from '../../pipelines/rules.ts';
import { type ClientOptions, CommandError, connect } from '../client.ts';
import { type LayoutOptions, loadLayout, mainConnection } from '../layout.ts';
import { openSimulation, type Simulation, withoutFileFilters } from '../simulation/simulation.ts';
import { momentLine, summarize, summaryText, useOverTime } from '../simulation/summary.ts';
import { printable } from '../text.ts';

export interface SimulateOptions extends LayoutOptions, ClientOptions {
  /** How far back the ledger of the server is read, where no file is named. */
  readonly since: string;
  readonly user?: string;
  readonly nodes?: string;
  /** Seconds. */
  readonly defaultTime: string;
  readonly jobTime: readonly string[];
  readonly fail: readonly string[];
  readonly seed: string;
  readonly fileFilters: boolean;
  readonly summary: boolean;
  readonly json: boolean;
}

/** `stackgate simulate`: what a layout would have made of recorded events. */
export async function simulate(file: string | undefined, options: SimulateOptions): Promise<number> {
  const { config } = loadLayout(options);
  const connection = mainConnection(config.layout);
  const user = options.user ?? config.settings?.accounts[connection]?.[0] ?? 'stackgate';
  const nodes = options.nodes === undefined ? undefined : positive('--nodes', options.nodes);
  const layout = options.fileFilters ? config.layout : withoutFileFilters(config.layout);
  const settings = { ...defaultSettings, ...config.settings, accounts: { [connection]: [user] } };
  const simulation = openSimulation({
    config: { ...config, layout, settings },
    connection,
    user,
    nodes,
    duration: durations(options),
    result: results(options),
  });
  const lines = file === undefined ? ledgerLines(options) : fileLines(file);
  const read = await replay(lines, file ?? 'the ledger', simulation);
  const unfiltered = JSON.stringify(layout) !== JSON.stringify(config.layout);
  const summary = summarize(simulation, nodes);
  if (options.json) {
    const { moments, samples } = simulation;
    const events = { read: read.taken, ours: read.ours, unreadable: read.unreadable };
    const timeline = options.summary ? {} : { timeline: moments, samples };
    process.stdout.write(`${JSON.stringify({ events, ...summary, ...timeline })}\n`);
    return 0;
  }
  const text = [
    ...(options.summary ? [] : [...simulation.moments.map(momentLine), '']),
    useOverTime(simulation.samples, summary.from, summary.to),
    '',
    summaryText(summary),
    `events: ${read.taken} read, ${read.ours} of our own account (${user}) left out, ${read.unreadable} lines without an event`,
    ...(unfiltered
      ? ['note: events do not name files, so jobs that look at files ran for every change (--file-filters)']
      : []),
  ];
  process.stdout.write(`${text.map(printable).join('\n')}\n`);
  return 0;
}

/** What the running server wrote down. */
async function* ledgerLines(options: SimulateOptions): AsyncIterable<string> {
  const [, count, unit = ''] = /^(\d+)([hd])$/.exec(options.since) ?? [];
  if (count === undefined)
    throw new CommandError(`--since ${JSON.stringify(options.since)} is no time`, 2, 'for example 12h or 7d');
  const since = Date.now() - Number(count) * (unit === 'h' ? 3_600_000 : 86_400_000);
  const { body } = await connect(options).open(`/api/v1/events.ndjson?since=${since}`);
  if (body !== null) yield* linesOf(Readable.fromWeb(body));
}

async function* fileLines(file: string): AsyncIterable<string> {
  try {
    yield* linesOf(file === '-' ? process.stdin : createReadStream(file));
  } catch (caught) {
    if (!(caught instanceof Error && 'code' in caught && typeof caught.code === 'string')) throw caught;
    throw new CommandError(`cannot read ${file}: ${caught.code}`, 3, 'is the name right?');
  }
}

function linesOf(input: NodeJS.ReadableStream): AsyncIterable<string> {
  return createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
}

async function replay(
  lines: AsyncIterable<string>,
  name: string,
  simulation: Simulation,
): Promise<{ taken: number; ours: number; unreadable: number }> {
  const read = { taken: 0, ours: 0, unreadable: 0 };
  for await (const line of lines) {
    if (line.trim() === '') continue;
    const answer = simulation.event(line);
    if (answer === 'taken') read.taken += 1;
    else if (answer === 'ours') read.ours += 1;
    else read.unreadable += 1;
  }
  if (read.taken === 0)
    throw new CommandError(
      `${name === '-' ? 'stdin' : name} holds no event that could be used`,
      2,
      'record some: ssh -p 29418 HOST gerrit stream-events > events.json',
    );
  simulation.finish();
  return read;
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new CommandError(`${option} ${JSON.stringify(text)} is no whole number above 0`, 2);
}

/** `NAME=SECONDS`, a `*` in the name stands for anything; the first that fits counts. */
function durations({ defaultTime, jobTime }: SimulateOptions): (job: string) => number {
  const usual = positive('--default-time', defaultTime);
  const rules = jobTime.map((text) => {
    const [, name = '', seconds] = /^(.+)=(\d+)$/.exec(text) ?? [];
    if (seconds === undefined)
      throw new CommandError(
        `--job-time ${JSON.stringify(text)} is not of the form NAME=SECONDS`,
        2,
        'for example --job-time "gate-tempest-*=3600"',
      );
    return { name, seconds: Number(seconds) };
  });
  return (job) => (rules.find(({ name }) => fits(name, job))?.seconds ?? usual) * 1000;
}

/** `JOB` or `JOB=RATE`; drawn from the seed, the job and the change, so that one job's luck is not another's. */
function results({ fail, seed }: SimulateOptions): (job: string, subject: string, run: number) => string {
  const rules = fail.map((text) => {
    const [, name = '', rate] = /^(.+?)(?:=([\d.]+))?$/.exec(text) ?? [];
    const chance = rate === undefined ? 1 : Number(rate);
    if (name === '' || !(chance >= 0 && chance <= 1))
      throw new CommandError(
        `--fail ${JSON.stringify(text)} is not of the form JOB or JOB=RATE`,
        2,
        'a rate is between 0 and 1: --fail gate-tempest-full=0.1',
      );
    return { name, chance };
  });
  return (job, subject, run) => {
    const chance = rules.find(({ name }) => fits(name, job))?.chance ?? 0;
    return draw(`${seed} ${job} ${subject} ${run}`) < chance ? 'FAILURE' : 'SUCCESS';
  };
}

/** A number in [0, 1) that belongs to the text. */
function draw(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32;
}

/** Without regular expressions: `a*b` is what begins with `a`, ends with `b`, and has the parts between in order. */
function fits(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === name;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
