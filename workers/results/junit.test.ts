import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CollectedFile } from '../../pipelines/ports.ts';
import { readJunit } from './junit.ts';
import { healthOf, readTests } from './tests.ts';

async function* stream(text: string, cut = 7): AsyncIterable<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += cut) yield bytes.subarray(at, at + cut);
}

const read = (text: string, cut?: number) => readJunit(stream(text, cut));

describe("JUnit's XML", () => {
  it('every outcome, with the class or else the suite', async () => {
    const { cases, problem } = await read(`<?xml version="1.0"?>
<testsuites><testsuite name="outer">
  <testcase classname="a.B" name="ok" time="1,234.5"/>
  <testcase name="bad &lt;&#228;&gt;"><failure message="expected &quot;x&quot;" type="E">trace</failure></testcase>
  <testcase name="worse"><error type="Boom"><![CDATA[<not><xml>]]></error><skipped/></testcase>
  <testcase name="later"><skipped message="not here"/></testcase>
  <testsuite name="inner"><testcase name="deep"/></testsuite>
  <testcase name="last"/>
</testsuite></testsuites>`);
    expect(problem).toBe(undefined);
    expect(cases.map(({ suite, name, outcome, message }) => [suite, name, outcome, message])).toEqual([
      ['a.B', 'ok', 'passed', undefined],
      ['outer', 'bad <ä>', 'failed', 'expected "x"'],
      ['outer', 'worse', 'failed', 'Boom'],
      ['outer', 'later', 'skipped', undefined],
      ['inner', 'deep', 'passed', undefined],
      ['outer', 'last', 'passed', undefined],
    ]);
    expect(cases[0]?.time).toBe(1234.5);
  });

  it.each([
    ['<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><testsuite/>', /defines entities/],
    ['<testsuite><testcase name="&unknown;"/></testsuite>', /entit/i],
    ['<testsuite><testcase', /unclosed|unexpected|end/i],
    ['<html><body/></html>', /<html> is no report/],
    ['', /no report|empty|root/i],
    ['no xml at all', /./],
  ])('%j is a sentence', async (text, problem) => {
    expect((await read(text)).problem).toMatch(problem);
  });

  it('is bounded in depth, tests and bytes', async () => {
    const limits = { bytes: 10_000, cases: 3, depth: 5 };
    const many = `<testsuite>${'<testcase name="x"/>'.repeat(4)}</testsuite>`;
    expect((await readJunit(stream(many), limits)).problem).toContain('more than 3 tests');
    const deep = `<testsuite>${'<a>'.repeat(6)}`;
    expect((await readJunit(stream(deep), limits)).problem).toContain('deeper than 5');
    const long = `<testsuite>${' '.repeat(20_000)}</testsuite>`;
    expect((await readJunit(stream(long, 4096), limits)).problem).toContain('larger than 10000 bytes');
  });

  it('reads the same however it is cut, and never throws', async () => {
    const word = fc.constantFrom(
      '<testsuite>',
      '<testcase name="ä">',
      '<failure/>',
      '</testcase>',
      '</testsuite>',
      '&amp;',
      '"',
      '<',
      '\0',
      'x',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(word, { maxLength: 30 }),
        fc.integer({ min: 1, max: 9 }),
        async (words, cut) => {
          const text = words.join('');
          const [one, other] = [await read(text, cut), await read(text, 1_000_000)];
          // Where the parser sees a mistake may depend on the cut, not that there is one.
          expect(one.cases).toEqual(other.cases);
          expect(one.problem === undefined).toBe(other.problem === undefined);
        },
      ),
      { numRuns: 200 },
    );
  });
});

it('sums the files of a build up', async () => {
  const file = (path: string, text: string): CollectedFile => ({
    path,
    size: text.length,
    content: stream(text),
  });
  async function* files() {
    yield file(
      'a.xml',
      '<testsuite><testcase name="1"><failure message="m"/></testcase><testcase name="2" time="0.25"/></testsuite>',
    );
    yield file(
      'b.xml',
      '<testsuite name="s"><testcase name="3"><skipped/></testcase><testcase name="4"/></testsuite>',
    );
    yield file('c.xml', 'broken');
  }
  const tests = await readTests(files());
  expect(tests).toMatchObject({
    files: 3,
    total: 4,
    failed: 1,
    skipped: 1,
    time: 0.25,
    failures: [{ test: '1', message: 'm' }],
    broken: [{ path: 'c.xml' }],
  });
  expect([healthOf(tests, 1), healthOf(tests, 2), healthOf(tests, 10), healthOf(tests, 0)]).toEqual([
    75, 50, 0, 100,
  ]);
});
