import { compareStep, type Names } from './trace-compare.ts';
import { readTraces, type Trace } from './trace-data.ts';
import { play } from './trace-play.ts';

/**
 * Recorded traces of Zuul 2.6’s scheduler against the kernel with every quirk on: `traces INPUT [LAYOUTS]`, INPUT a folder of
 * JSON files or a `.jsonl.gz` whose layouts lie in LAYOUTS.
 */
export async function run(args: readonly string[]): Promise<{ passed: number; failed: number }> {
  const [input, layouts] = args;
  if (input === undefined) throw new Error('usage: traces INPUT [LAYOUTS]');
  let passed = 0;
  let failed = 0;
  for (const trace of readTraces(input, layouts)) {
    const { differences, excused } = checkTrace(trace);
    for (const line of excused) console.log(`${trace.name}: ${line}`);
    if (differences.length === 0) passed += 1;
    else {
      failed += 1;
      console.log(`${trace.name} differs:`);
      for (const line of differences.slice(0, 30)) console.log(`  ${line}`);
    }
  }
  return { passed, failed };
}

/** Where Zuul crashed our outcome may be another, then and later in that trace. */
export function checkTrace(trace: Trace): { differences: string[]; excused: string[] } {
  const excused: string[] = [];
  let entries: ReturnType<typeof play>;
  try {
    entries = play(trace);
  } catch (error) {
    return {
      differences: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
      excused,
    };
  }
  const wantedNames: Names = new Map();
  const gotNames: Names = new Map();
  let crashed: string | undefined;
  for (const [at, wanted] of trace.trace.entries()) {
    const got = entries.entries[at];
    if (got === undefined) return { differences: [`step ${at} was not played`], excused };
    for (const out of wanted.out) {
      if (out.kind === 'exception' && ['event', 'queue', 'connector'].includes(out.where)) {
        crashed ??= `step ${at}: Zuul crashed (${out.error})`;
      }
    }
    const lines = compareStep(
      { entry: wanted, names: wantedNames },
      { entry: got, names: gotNames, numbers: entries.numbers },
    );
    if (lines.length === 0) continue;
    if (crashed !== undefined) {
      return { differences: [], excused: [`${crashed}, excused from step ${at} on`] };
    }
    return {
      differences: [`step ${at} ${JSON.stringify({ ...trace.steps[at], layout: undefined })}`, ...lines],
      excused,
    };
  }
  const wanted = JSON.stringify(sorted(trace.final));
  const got = JSON.stringify(sorted(entries.final));
  if (wanted !== got && crashed === undefined)
    return { differences: [`final ${wanted}`, `got   ${got}`], excused };
  return { differences: [], excused };
}

function sorted(record: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(record).sort(([a], [b]) => Number(a) - Number(b));
}
