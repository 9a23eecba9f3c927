import { duration, moment, table } from '../text.ts';
import type { Moment, Sample, Simulation } from './simulation.ts';

/** A simulation in numbers. Times are ms. */
export interface Summary {
  readonly from: number;
  readonly to: number;
  readonly pipelines: readonly PipelineSummary[];
  readonly jobs: readonly JobSummary[];
  readonly nodes: NodeSummary;
}

export interface PipelineSummary {
  readonly name: string;
  /** Items that came to an end, by result. */
  readonly items: Readonly<Record<string, number>>;
  readonly launches: number;
  readonly reports: number;
  readonly merged: number;
  readonly longestQueue: number;
  /** From entering to leaving the pipeline. */
  readonly meanTime: number;
  readonly longestTime: number;
}

export interface JobSummary {
  readonly name: string;
  readonly launches: number;
  readonly results: Readonly<Record<string, number>>;
  readonly canceled: number;
  /** Nodes times the time they were busy. */
  readonly nodeTime: number;
}

export interface NodeSummary {
  /** Null: there was no limit. */
  readonly capacity: number | null;
  readonly most: number;
  readonly mean: number;
  readonly nodeTime: number;
  readonly meanWait: number;
  readonly longestWait: number;
  readonly longestLine: number;
}

export function summarize(simulation: Simulation, capacity: number | undefined): Summary {
  const { moments, samples } = simulation;
  const from = samples[0]?.at ?? 0;
  const to = Math.max(from, samples.at(-1)?.at ?? 0, moments.at(-1)?.at ?? 0);
  return {
    from,
    to,
    pipelines: pipelineSummaries(simulation),
    jobs: jobSummaries(moments),
    nodes: nodeSummary(simulation, capacity, from, to),
  };
}

function pipelineSummaries({ moments, samples, history }: Simulation): PipelineSummary[] {
  const names = new Set<string>();
  const items = history.flatMap(({ table: kind, value }) => (kind === 'item' ? itemEnd(value) : []));
  for (const { pipeline } of items) names.add(pipeline);
  for (const each of moments) if (each.what === 'launch' || each.what === 'report') names.add(each.pipeline);
  for (const { queues } of samples) for (const name of Object.keys(queues)) names.add(name);
  return [...names].map((name) => {
    const ended = items.filter(({ pipeline }) => pipeline === name);
    const times = ended.map(({ took }) => took);
    const reports = moments.filter((each) => each.what === 'report' && each.pipeline === name);
    return {
      name,
      items: counts(ended.map(({ result }) => result)),
      launches: moments.filter((each) => each.what === 'launch' && each.pipeline === name).length,
      reports: reports.length,
      merged: reports.filter((each) => each.what === 'report' && each.merged).length,
      longestQueue: most(samples.map(({ queues }) => queues[name] ?? 0)),
      meanTime: mean(times),
      longestTime: most(times),
    };
  });
}

interface ItemEnd {
  readonly pipeline: string;
  readonly result: string;
  readonly took: number;
}

/** A row of the kernel's history. */
function itemEnd(value: unknown): ItemEnd[] {
  if (typeof value !== 'object' || value === null) return [];
  const { pipeline, result, at, enqueuedAt } = { ...emptyRow, ...value };
  if (typeof pipeline !== 'string' || typeof result !== 'string') return [];
  return [{ pipeline, result, took: Number(at) - Number(enqueuedAt) }];
}
const emptyRow: Readonly<Record<'pipeline' | 'result' | 'at' | 'enqueuedAt', unknown>> = {
  pipeline: undefined,
  result: undefined,
  at: 0,
  enqueuedAt: 0,
};

function jobSummaries(moments: readonly Moment[]): JobSummary[] {
  const launches = counts(moments.flatMap((each) => (each.what === 'launch' ? [each.job] : [])));
  return Object.keys(launches)
    .sort()
    .map((name) => {
      const ends = moments.flatMap((each) => (each.what === 'end' && each.job === name ? [each] : []));
      const results = ends.map(({ result }) => result);
      return {
        name,
        launches: launches[name] ?? 0,
        results: counts(results.filter((result) => !result.startsWith('CANCELED'))),
        canceled: results.filter((result) => result.startsWith('CANCELED')).length,
        nodeTime: sum(ends.map(({ took, nodes }) => took * nodes)),
      };
    });
}

function nodeSummary(
  { moments, samples }: Simulation,
  capacity: number | undefined,
  from: number,
  to: number,
): NodeSummary {
  const nodeTime = sum(samples.map(({ at, nodes }, index) => nodes * ((samples[index + 1]?.at ?? to) - at)));
  const waits = moments.flatMap((each) => (each.what === 'launch' ? [each.waited] : []));
  return {
    capacity: capacity ?? null,
    most: most(samples.map(({ nodes }) => nodes)),
    mean: to === from ? 0 : nodeTime / (to - from),
    nodeTime,
    meanWait: mean(waits),
    longestWait: most(waits),
    longestLine: most(samples.map(({ waiting }) => waiting)),
  };
}

function counts(words: readonly string[]): Record<string, number> {
  const found = new Map<string, number>();
  for (const word of words) found.set(word, (found.get(word) ?? 0) + 1);
  return Object.fromEntries(found);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}

function most(values: readonly number[]): number {
  return values.reduce((highest, value) => Math.max(highest, value), 0);
}

/** One line of the timeline. */
export function momentLine(each: Moment): string {
  return `${moment(each.at)}  ${each.what.padEnd(7)} ${momentText(each)}`;
}

function momentText(each: Moment): string {
  switch (each.what) {
    case 'event': {
      const by = each.by === '' ? '' : ` by ${each.by}`;
      const about = [each.subject, each.project].filter((part) => part !== '').join(' ');
      return `${each.type} ${about}${by}: ${each.note}`;
    }
    case 'launch': {
      const nodes = each.nodes === 1 ? '' : ` on ${each.nodes} nodes`;
      const waited = each.waited === 0 ? '' : ` after ${duration(each.waited)} without a node`;
      return `${each.pipeline}  ${each.subject}  ${each.job}${nodes}${waited}`;
    }
    case 'end':
      return `${each.pipeline}  ${each.subject}  ${each.job}: ${each.result} after ${duration(each.took)}`;
    case 'report': {
      const votes = Object.entries(each.votes).map(
        ([label, value]) => ` ${label}${value > 0 ? '+' : ''}${value}`,
      );
      return `${each.pipeline}  ${each.subject}  ${each.phase}${votes.join('')}${each.merged ? ', merged' : ''}`;
    }
    case 'refused':
      return `${each.job}: ${each.reason}`;
  }
  return each satisfies never;
}

const HEIGHT = 24;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080, 40_320].map(
  (minutes) => minutes * 60_000,
);

/** Queue lengths and node use over time: the highest values within each of at most 24 equal spans. */
export function useOverTime(samples: readonly Sample[], from: number, to: number): string {
  const width = STEPS.find((each) => (to - from) / each <= HEIGHT - 1) ?? (to - from) / (HEIGHT - 1);
  const pipelines = [...new Set(samples.flatMap(({ queues }) => Object.keys(queues)))];
  const rows: string[][] = [];
  let index = 0;
  let before: Sample | undefined;
  for (let start = Math.floor(from / width) * width; start <= to; start += width) {
    const within: Sample[] = before === undefined ? [] : [before];
    for (let next = samples[index]; next !== undefined && next.at < start + width; next = samples[index]) {
      within.push(next);
      before = next;
      index += 1;
    }
    const highest = (read: (sample: Sample) => number) => most(within.map(read));
    const nodes = highest((each) => each.nodes);
    rows.push([
      moment(start).slice(0, 16),
      ...pipelines.map((name) => `${highest((each) => each.queues[name] ?? 0)}`),
      `${highest((each) => each.waiting)}`,
      `${nodes}`,
    ]);
  }
  return table(['TIME (UTC)', ...pipelines.map((name) => name.toUpperCase()), 'WAITING', 'NODES'], rows);
}

/** In the text; those that cost most. */
const MOST_JOBS = 20;

export function summaryText(summary: Summary): string {
  const { pipelines, jobs, nodes, from, to } = summary;
  const results = (found: Readonly<Record<string, number>>) =>
    Object.entries(found)
      .map(([result, count]) => `${count} ${result}`)
      .join(', ') || '-';
  const pipelineRows = pipelines.map((each) => [
    each.name,
    results(each.items),
    `${each.launches}`,
    `${each.reports}`,
    `${each.merged}`,
    `${each.longestQueue}`,
    duration(each.meanTime),
    duration(each.longestTime),
  ]);
  const heaviest = jobs.toSorted((a, b) => b.nodeTime - a.nodeTime);
  const jobRows = heaviest
    .slice(0, MOST_JOBS)
    .map((each) => [
      each.name,
      `${each.launches}`,
      results(each.results),
      `${each.canceled}`,
      duration(each.nodeTime),
    ]);
  const used =
    nodes.capacity === null ? '' : ` of ${nodes.capacity} (${percent(nodes.mean / nodes.capacity)})`;
  return [
    table(
      ['PIPELINE', 'ITEMS', 'LAUNCHES', 'REPORTS', 'MERGED', 'LONGEST QUEUE', 'MEAN TIME', 'LONGEST TIME'],
      pipelineRows,
    ),
    '',
    table(['JOB', 'LAUNCHES', 'RESULTS', 'CANCELED', 'NODE TIME'], jobRows),
    ...(jobs.length > MOST_JOBS ? [`and ${jobs.length - MOST_JOBS} jobs more (--json)`] : []),
    '',
    `${moment(from)} to ${moment(to)}, ${duration(to - from)}`,
    `nodes: ${nodes.mean.toFixed(1)} in use on average${used}, at most ${nodes.most}; ${duration(nodes.nodeTime)} of node time`,
    `waits for nodes: ${duration(nodes.meanWait)} on average, at most ${duration(nodes.longestWait)}; at most ${nodes.longestLine} builds in line`,
  ].join('\n');
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
