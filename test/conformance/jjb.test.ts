import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { canonicalHash, canonicalJson } from './canonical.ts';
import { describeDifference } from './diff.ts';
import { run as runJjb } from './jjb.ts';
import { expandFiles, readFiles, run as runCorpus } from './jjb-corpus.ts';
import { run as runFormat } from './jjb-format.ts';

const data = new URL('../../../shared/conformance/jjb/', import.meta.url).pathname;
const present = existsSync(data);
if (!present) console.log(`jjb: ${data} is not there: the conformance data is skipped`);

const Jobs = z.array(z.looseObject({ name: z.string() }));

describe.skipIf(!present)('JJB 2.x', () => {
  it('expands every case before and after macros', async () => {
    const { passed, failed } = await runJjb([join(data, 'fixtures'), join(data, 'expanded')]);
    expect({ failed, some: passed > 70 }).toEqual({ failed: 0, some: true });
  });

  it('substitutes every row of the table', async () => {
    const { passed, failed } = await runFormat([join(data, 'formatter-vectors.json')]);
    expect({ failed, some: passed > 80 }).toEqual({ failed: 0, some: true });
  });

  it("makes the jobs of OpenStack's corpus, byte by byte", async () => {
    const folder = join(data, 'real/openstack-project-config');
    const sample = Jobs.parse(JSON.parse(readFileSync(join(folder, 'sample-expanded.json'), 'utf8')));
    const rows = sample.map((job) => {
      const { hash, bytes } = canonicalHash(job);
      return `${job.name}\t${hash}\t${bytes}\n`;
    });
    const scratch = mkdtempSync(join(tmpdir(), 'stackgate-jjb-'));
    try {
      const table = join(scratch, 'table.txt');
      writeFileSync(table, `# name, sha256, bytes\n${rows.join('')}`);
      expect(await runCorpus([join(folder, 'in.tar.gz'), table])).toEqual({
        passed: sample.length,
        failed: 0,
      });
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });

  it('makes the jobs of the example for third-party CIs', () => {
    const folder = join(data, 'real/project-config-example');
    const wanted = Jobs.parse(JSON.parse(readFileSync(join(folder, 'expected-jobs.json'), 'utf8')));
    const { jobs, problems } = expandFiles(readFiles(join(folder, 'in/jenkins/jobs')));
    expect(problems).toEqual([]);
    const got: unknown = JSON.parse(canonicalJson(wanted.map((job) => jobs.get(job.name))));
    expect(describeDifference(wanted, got)).toEqual([]);
    expect([...jobs.keys()].sort()).toEqual(wanted.map((job) => job.name).sort());
  });
});

describe('JJB 6 (compat: 6)', () => {
  it('expands every case that JJB 6.4.2 was asked about', async () => {
    const cases = new URL('./jjb6', import.meta.url).pathname;
    const { passed, failed } = await runJjb([cases, cases]);
    expect({ failed, some: passed >= 15 }).toEqual({ failed: 0, some: true });
  });
});

describe('the tools of the comparison', () => {
  it('write JSON as Python does', () => {
    expect(canonicalJson({ b: [1, 1.5, 'é\n', null, true], a: {}, '\u{1f600}': 1, '\uff5e': 2 })).toBe(
      '{"a":{},"b":[1,1.5,"é\\n",null,true],"\uff5e":2,"\u{1f600}":1}',
    );
  });

  it('show where two values differ', () => {
    expect(describeDifference({ a: [1, { b: 'x' }], c: 1 }, { a: [1, { b: 'y' }] })).toEqual([
      '    at a[1].b:',
      '      - "x"',
      '      + "y"',
      '    at c:',
      '      - 1',
      '      + (nothing)',
    ]);
  });
});
