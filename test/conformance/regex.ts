import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type Node, parsePattern } from '../../pipelines/pattern/parse.ts';
import { compileProgram, runProgram } from '../../pipelines/pattern/program.ts';
import { checkPattern, match, search } from '../../pipelines/pattern.ts';

const Corpus = z.array(z.object({ kind: z.string(), regex: z.string() }));
const Answer = z.array(z.array(z.boolean())).nullable();

/**
 * Patterns of real layouts against Python's own `re`: `run(['…/golden/regex-corpus.json'])`. Subjects are made from each
 * pattern (strings that match, and slips of them). Python 2, which Zuul 2.6 ran on, knows ASCII only; Python 3 does
 * the same when it is told so. Then patterns of random pieces, most of them broken: both must refuse the same ones.
 */
export async function run(args: readonly string[]): Promise<{ passed: number; failed: number }> {
  const [file, sizeText = '24', seedText = '1'] = args;
  if (file === undefined) throw new Error('usage: regex CORPUS.json [SUBJECTS_PER_PATTERN] [SEED]');
  const corpus = Corpus.parse(JSON.parse(readFileSync(file, 'utf8')));
  const random = lcg(Number(seedText));
  const made = Array.from({ length: 50 * Number(sizeText) }, () => randomPattern(random));
  const cases = [...corpus.map((each) => each.regex), ...made].map((regex) => ({
    regex,
    subjects: subjectsFor(regex, Number(sizeText), random),
  }));
  const answers = askPython(cases);
  if (answers === undefined) {
    console.log('regex: python3 is not installed: nothing was compared');
    return { passed: 0, failed: 0 };
  }
  let passed = 0;
  let failed = 0;
  const wrong = (text: string): void => {
    failed += 1;
    if (failed <= 20) console.log(`regex: ${text}`);
  };
  for (const [i, { regex, subjects }] of cases.entries()) {
    const reason = checkPattern(regex, corpus[i]?.kind === 'comment' ? 'comment' : 'name');
    const parsed = parsePattern(regex);
    const answer = answers[i] ?? null;
    if (answer?.length === 0) continue;
    if (reason !== undefined || 'error' in parsed) {
      if (answer === null) passed += 1;
      else wrong(`${JSON.stringify(regex)} is refused: ${reason}`);
      continue;
    }
    if (answer === null) {
      wrong(`${JSON.stringify(regex)} is accepted`);
      continue;
    }
    const program = compileProgram(parsed.tree);
    for (const [j, subject] of subjects.entries()) {
      const [matches, found] = answer[j] ?? [];
      const ours = [match(regex, subject), search(regex, subject)];
      const slow = [runProgram(program, subject, true), runProgram(program, subject, false)];
      const right = [ours, slow].every((pair) => pair[0] === matches && pair[1] === found);
      if (right) passed += 1;
      else
        wrong(
          `${JSON.stringify(regex)} on ${JSON.stringify(subject)}: python ${matches}/${found}, ` +
            `here ${ours.join('/')}, without V8 ${slow.join('/')}`,
        );
    }
  }
  return { passed, failed };
}

const PYTHON = `
import json, re, sys
for line in sys.stdin:
    case = json.loads(line)
    try:
        regex = re.compile(case['regex'], re.ASCII)
    except re.error as error:
        # Python 2 took an unknown escape for the letter itself, and so do we: nothing to compare.
        print('[]' if str(error).startswith('bad escape') else 'null')
        continue
    print(json.dumps([[bool(regex.match(s)), bool(regex.search(s))] for s in case['subjects']]))
`;

function askPython(cases: readonly unknown[]): (boolean[][] | null)[] | undefined {
  const input = cases.map((each) => JSON.stringify(each)).join('\n');
  const python = spawnSync('python3', ['-c', PYTHON], {
    input,
    maxBuffer: 1 << 28,
    encoding: 'utf8',
    timeout: 120_000,
  });
  if (python.error !== undefined && 'code' in python.error && python.error.code === 'ENOENT')
    return undefined;
  if (python.status !== 0) throw new Error(`python3: ${python.stderr}`);
  return python.stdout
    .trim()
    .split('\n')
    .map((line) => Answer.parse(JSON.parse(line)));
}

/** Python's syntax in pieces, less what Python 3 added to it. */
const PIECES =
  'a b A . ^ $ * ? {2} {1,2} {,2} {2,} { } ( (?: (?! (?= (?<! (?<= (?P<n> ) ) ) | [ab] [^a] [a-c] [ []a] ] - # é ' +
  '\\d \\w \\s \\D \\b \\B \\A \\Z \\n \\. \\- \\x61 \\141 \\0 (?#c)';
const FLAGS = ['', '', '(?i)', '(?m)', '(?s)', '(?x)', '(?im)'];

function randomPattern(random: Random): string {
  const pieces = [...PIECES.split(' '), ' ', '\n'];
  const length = 1 + Math.floor(random() * 8);
  return pick(FLAGS, random) + Array.from({ length }, () => pick(pieces, random)).join('');
}

type Random = () => number;

/** Numbers in [0, 1) that are the same on every machine. */
export function lcg(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const ODD = [
  '',
  '\n',
  'master',
  'stable/mitaka',
  'recheck',
  'Patch Set 1:\n\nrecheck',
  '\u212Aé😀',
  'a\r\nb\u2028c\n',
];
const LETTERS = 'aZ09_-/. \n\t\v\r:#()é\u017F😀';

function subjectsFor(regex: string, count: number, random: Random): string[] {
  const parsed = parsePattern(regex);
  const subjects = [...ODD];
  if ('error' in parsed) return subjects;
  for (let i = 0; i < count; i++) {
    const text = sample(parsed.tree, random);
    subjects.push(text, slip(text, random), `${pick(ODD, random)}${text}`, `${text}${pick(ODD, random)}`);
  }
  return subjects;
}

function pick<T>(from: readonly T[] | string, random: Random): T | string {
  return from[Math.floor(random() * from.length)] ?? '';
}

/** A text the pattern matches, look-arounds aside. */
function sample(node: Node, random: Random): string {
  switch (node.kind) {
    case 'set': {
      const range = 2 * Math.floor((random() * node.set.length) / 2);
      const low = node.set[range] ?? 0x61;
      const high = node.set[range + 1] ?? low;
      const near = low < 0x61 && high > 0x7a ? 0x61 : low;
      const code = near + Math.floor(random() * Math.min(26, high - near + 1));
      return String.fromCodePoint(code >= 0xd800 && code <= 0xdfff ? 0x61 : code);
    }
    case 'seq':
      return node.items.map((item) => sample(item, random)).join('');
    case 'alt':
      return sample(
        node.items[Math.floor(random() * node.items.length)] ?? { kind: 'seq', items: [] },
        random,
      );
    case 'repeat': {
      const times = node.min + Math.floor(random() * Math.min(4, node.max - node.min + 1));
      return Array.from({ length: times }, () => sample(node.body, random)).join('');
    }
    case 'look':
      return random() < 0.3 ? sample(node.body, random) : '';
    default:
      return node.at === 'lineStart' || node.at === 'lineEnd' ? (random() < 0.2 ? '\n' : '') : '';
  }
}

/** One character lost, doubled, changed or put in. */
function slip(text: string, random: Random): string {
  const letters = Array.from(text);
  const at = Math.floor(random() * (letters.length + 1));
  const letter = String(pick(LETTERS, random));
  const changes = [[], [letters[at] ?? '', letters[at] ?? ''], [letter], [letter, letters[at] ?? '']];
  letters.splice(at, 1, ...(changes[Math.floor(random() * changes.length)] ?? []));
  return letters.join('').replace(/[\uD800-\uDFFF](?![\uDC00-\uDFFF])/g, '');
}
