import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readTraces } from './trace-data.ts';
import { checkTrace } from './traces.ts';

/** Every recorded trace of Zuul 2.6’s scheduler, step by step. */
const golden = '../shared/conformance/zuul-v2/golden';

describe.skipIf(!existsSync(golden))('traces of Zuul 2.6', () => {
  const inputs = existsSync(golden) ? [join(golden, 'curated'), join(golden, 'random/traces.jsonl.gz')] : [];
  const traces = inputs.flatMap((input) => readTraces(input));
  test.each(traces.map((trace) => ({ name: trace.name, trace })))('$name', ({ trace }) => {
    expect(checkTrace(trace).differences).toEqual([]);
  });
});

if (!existsSync(golden)) console.log(`skipped: no traces in ${golden}`);
