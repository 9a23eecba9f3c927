import { SaxesParser, type SaxesTagPlain } from 'saxes';

/**
 * JUnit's XML, read as it streams by. A job writes these files, so nothing in them is trusted: entities are not expanded (saxes
 * knows none but XML's five), nesting and the number of tests are bounded, and a file that is no XML is a sentence.
 */

export interface TestCase {
  readonly suite: string;
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** Seconds. */
  readonly time: number;
  /** First words of a failure. */
  readonly message?: string;
}

export interface JunitRead {
  readonly cases: readonly TestCase[];
  /** Why it could not be read to its end. */
  readonly problem?: string;
}

export interface JunitLimits {
  readonly bytes: number;
  readonly cases: number;
  readonly depth: number;
}

export const junitLimits: JunitLimits = { bytes: 256 * 1024 * 1024, cases: 500_000, depth: 64 };
const longestName = 500;
const longestMessage = 300;

class Refused extends Error {}

export async function readJunit(
  content: AsyncIterable<Uint8Array>,
  limits: JunitLimits = junitLimits,
): Promise<JunitRead> {
  const cases: TestCase[] = [];
  const suites: string[] = [];
  let depth = 0;
  let open:
    | { name: string; classname: string; time: number; outcome: TestCase['outcome']; message?: string }
    | undefined;
  let isReport = false;
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw new Refused(error.message);
  });
  parser.on('doctype', (text) => {
    if (text.includes('<!ENTITY')) throw new Refused('it defines entities');
  });
  parser.on('opentag', (tag) => {
    depth += 1;
    if (depth > limits.depth) throw new Refused(`it nests deeper than ${limits.depth} elements`);
    if (depth === 1) {
      if (tag.name !== 'testsuites' && tag.name !== 'testsuite')
        throw new Refused(`<${tag.name.slice(0, 40)}> is no report`);
      isReport = true;
    }
    switch (tag.name) {
      case 'testsuite':
        suites.push(attribute(tag, 'name'));
        break;
      case 'testcase':
        if (cases.length >= limits.cases) throw new Refused(`it has more than ${limits.cases} tests`);
        open = {
          name: attribute(tag, 'name'),
          classname: attribute(tag, 'classname'),
          time: secondsOf(attribute(tag, 'time')),
          outcome: 'passed',
        };
        break;
      case 'failure':
      case 'error':
        if (open === undefined) break;
        open.outcome = 'failed';
        open.message ??= (attribute(tag, 'message') || attribute(tag, 'type')).slice(0, longestMessage);
        break;
      case 'skipped':
        if (open !== undefined && open.outcome === 'passed') open.outcome = 'skipped';
        break;
      default:
        break;
    }
  });
  parser.on('closetag', (tag) => {
    depth -= 1;
    if (tag.name === 'testsuite') suites.pop();
    if (tag.name !== 'testcase' || open === undefined) return;
    const { name, classname, time, outcome, message } = open;
    const suite = classname || (suites.at(-1) ?? '');
    cases.push({
      suite,
      name,
      outcome,
      time,
      ...(message === undefined || message === '' ? {} : { message }),
    });
    open = undefined;
  });
  const decoder = new TextDecoder();
  let bytes = 0;
  try {
    for await (const chunk of content) {
      bytes += chunk.length;
      if (bytes > limits.bytes) throw new Refused(`it is larger than ${limits.bytes} bytes`);
      parser.write(decoder.decode(chunk, { stream: true }));
    }
    parser.write(decoder.decode()).close();
  } catch (caught) {
    if (!(caught instanceof Refused)) throw caught;
    return { cases, problem: caught.message };
  }
  return isReport ? { cases } : { cases, problem: 'it is empty' };
}

function attribute(tag: SaxesTagPlain, name: string): string {
  const value: unknown = Object.hasOwn(tag.attributes, name) ? tag.attributes[name] : '';
  return typeof value === 'string' ? value.slice(0, longestName) : '';
}

function secondsOf(text: string): number {
  const seconds = Number(text.replaceAll(',', ''));
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : 0;
}
