import { readFileSync } from 'node:fs';
import { FormatMistake, formatText } from '../../jobs/jjb/format.ts';
import type { Dict } from '../../jobs/jjb/python.ts';
import { canonicalJson } from './canonical.ts';

interface Vectors {
  readonly params: Dict;
  readonly cases: readonly {
    readonly template: string;
    readonly allow_empty: boolean;
    readonly result?: unknown;
    readonly error?: string;
  }[];
}

/** `jjb-format FILE`: every row of the table of substitutions. */
export async function run(args: readonly string[]): Promise<{ passed: number; failed: number }> {
  const [file] = args;
  if (file === undefined) throw new Error('usage: jjb-format formatter-vectors.json');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the form is described by the data's README
  const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;
  let passed = 0;
  let failed = 0;
  for (const row of vectors.cases) {
    const wanted = row.error === undefined ? canonicalJson(row.result) : 'an error';
    const got = format(row.template, vectors.params, row.allow_empty);
    if (got === wanted) passed++;
    else {
      failed++;
      console.log(
        `differs: ${JSON.stringify(row.template)} allow_empty=${row.allow_empty}\n    - ${wanted}\n    + ${got}`,
      );
    }
  }
  return { passed, failed };
}

function format(template: string, params: Dict, allowEmpty: boolean): string {
  try {
    return canonicalJson(formatText(template, params, allowEmpty));
  } catch (caught) {
    if (!(caught instanceof FormatMistake)) throw caught;
    return 'an error';
  }
}
