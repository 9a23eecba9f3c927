import { unreachable } from '../../pipelines/unreachable.ts';
import type { Entry, Out, StateQueue } from './trace-data.ts';

/** Compares one step as the conformance README says; answers what differs, a line each. */

type Launch = Extract<Out, { kind: 'launch' }>;

/** Launches of one side so far: `b7` → what it is, since both sides may number several launches of a step differently. */
export type Names = Map<string, string>;

const unstable = new Set(['ZUUL_UUID', 'LOG_PATH', 'ZUUL_COMMIT', 'ZUUL_REF']);

export function compareStep(
  wanted: { entry: Entry; names: Names },
  got: { entry: Entry; names: Names; numbers: ReadonlyMap<string, string> },
): string[] {
  for (const side of [wanted, got]) {
    for (const launch of side.entry.out) {
      if (launch.kind === 'launch') side.names.set(launch.build, nameOf(launch));
    }
  }
  const withParams = wanted.entry.out.some((out) => out.kind === 'launch' && out.params !== undefined);
  const lines = (side: Names, entry: Entry, numbers?: ReadonlyMap<string, string>) =>
    entry.out.flatMap((out) => lineOf(out, side, numbers, withParams));
  const differences = diffLists(
    group(lines(wanted.names, wanted.entry)),
    group(lines(got.names, got.entry, got.numbers)),
  );
  return [...differences, ...diffLists(stateLines(wanted.entry.state), stateLines(got.entry.state))];
}

function nameOf(launch: Launch): string {
  return `${launch.pipeline} ${launch.job} [${launch.changes ?? ''}]`;
}

function lineOf(
  out: Out,
  names: Names,
  numbers: ReadonlyMap<string, string> | undefined,
  withParams: boolean,
): string[] {
  switch (out.kind) {
    case 'launch': {
      const params = Object.entries(out.params ?? {})
        .filter(([key]) => !unstable.has(key))
        .sort(([a], [b]) => (a < b ? -1 : 1));
      return [`launch ${nameOf(out)}${withParams ? ` ${JSON.stringify(params)}` : ''}`];
    }
    case 'cancel':
      return [`cancel ${names.get(out.build) ?? `${out.job} [${out.changes ?? ''}]`}`];
    case 'report': {
      const action = Object.entries(out.action).sort(([a], [b]) => (a < b ? -1 : 1));
      return [
        `report ${out.change} ${JSON.stringify(action)} ${JSON.stringify(namedMessage(out.message, names, numbers))}`,
      ];
    }
    case 'merged':
      return [`merged ${out.change}`];
    case 'mail': {
      const subject = out.subject.replace(/<Change 0x\w* ([^>]*)>/, '$1');
      const text = JSON.stringify(namedMessage(out.message, names, numbers));
      return [`mail ${out.sender} ${out.to} ${JSON.stringify(subject)} ${text}`];
    }
    case 'exception':
      return out.where === 'management' || out.where === 'reconfigure' ? [`refused by ${out.where}`] : [];
    case 'nomatch':
      return ['nomatch'];
    case 'merge':
    case 'update':
      return [];
  }
  return unreachable(out);
}

/** Job lines end their link with the number of the launch: put the launch itself there. */
function namedMessage(
  message: string,
  names: Names,
  numbers: ReadonlyMap<string, string> | undefined,
): string {
  return message.replaceAll(
    /(http:\/\/logs\.example\.com\/\S*?\/([^/\s]+))\/(\d+)(?= : )/g,
    (_all, head: string, job: string, number: string) => {
      const build = numbers === undefined ? `b${number}` : numbers.get(`${job} ${number}`);
      return `${head}/<${names.get(build ?? '') ?? number}>`;
    },
  );
}

/** Launches, cancels, mails and merges are sets; reports keep their order per change. */
function group(lines: readonly string[]): string[] {
  const reports = lines.filter((line) => line.startsWith('report '));
  const rest = lines.filter((line) => !line.startsWith('report '));
  const changeOf = (line: string) => line.split(' ')[1] ?? '';
  const ordered = reports
    .map((line, at) => ({ line, at }))
    .sort((a, b) => {
      const [x, y] = [changeOf(a.line), changeOf(b.line)];
      return x < y ? -1 : x > y ? 1 : a.at - b.at;
    })
    .map(({ line }) => line);
  return [...[...rest].sort(), ...ordered];
}

function stateLines(queues: readonly StateQueue[]): string[] {
  return queues.flatMap(({ pipeline, queue, window, items }) => [
    `queue ${pipeline} ${queue} window ${window}`,
    ...items.map((item) => {
      const builds = Object.entries(item.builds)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([job, result]) => `${job}=${result ?? '...'}`);
      const marks = [item.live ? '' : ' non-live', item.active ? '' : ' inactive'].join('');
      const failing = item.failing.length === 0 ? '' : ` (${item.failing.join(', ')})`;
      const what = `${item.id ?? 'timer'} of ${item.project}${marks}`;
      return `  ${what} on ${item.ahead ?? '-'}${failing} ${builds.join(' ')}`;
    }),
  ]);
}

function diffLists(wanted: readonly string[], got: readonly string[]): string[] {
  if (wanted.length === got.length && wanted.every((line, at) => line === got[at])) return [];
  const missing = without(wanted, got).map((line) => `- ${line}`);
  const added = without(got, wanted).map((line) => `+ ${line}`);
  return missing.length + added.length > 0
    ? [...missing, ...added]
    : [`order: wanted ${wanted.join(' | ')}`, `order: got    ${got.join(' | ')}`];
}

function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return lines.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
