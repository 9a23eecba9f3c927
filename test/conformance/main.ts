/**
 * Runs conformance data from the command line: `npm run conformance -- KIND INPUT [EXPECTED]`. Every kind is one file that
 * exports `run(args)`. Ends with the plain line `N passed, N failed`.
 */
type Run = (args: readonly string[]) => Promise<{ passed: number; failed: number }>;

const kinds: Readonly<Record<string, () => Promise<{ run: Run }>>> = {
  traces: () => import('./traces.ts'),
  layouts: () => import('./layouts.ts'),
  matchers: () => import('./matchers.ts'),
  regex: () => import('./regex.ts'),
  jjb: () => import('./jjb.ts'),
  'jjb-format': () => import('./jjb-format.ts'),
  'jjb-corpus': () => import('./jjb-corpus.ts'),
};

async function main(args: readonly string[]): Promise<number> {
  const [kind, ...rest] = args;
  const load = kind === undefined ? undefined : kinds[kind];
  if (load === undefined) {
    console.error(`usage: npm run conformance -- ${Object.keys(kinds).join('|')} INPUT [EXPECTED]`);
    return 2;
  }
  const { run } = await load();
  const { passed, failed } = await run(rest);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
