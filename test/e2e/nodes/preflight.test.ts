import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { preflight } from '../../../nodepool/ssh/probe.ts';
import { openNode, soon, type TestNode } from './node.ts';
import { missing } from './sshd.ts';

const why = missing();

describe.skipIf(why !== undefined)(`preflight over ssh${why === undefined ? '' : ` (${why})`}`, () => {
  let node: TestNode;
  beforeAll(async () => {
    node = await openNode();
  });
  afterAll(() => node[Symbol.asyncDispose]());

  test('this machine is fit for builds, and its clock agrees with ours', async () => {
    const shell = node.shell();
    const clock = { now: Date.now };
    const found = await shell.preflight({}, clock, soon());
    expect(found.refused).toEqual([]);
    expect(found.warned.filter((each) => each.includes('clock'))).toEqual([]);
  });

  test('what it has not is refused in words', async () => {
    const shell = node.shell();
    const needs = { root: node.root, disk: 10 ** 9, memory: 10 ** 9, cpus: 10_000 };
    const clock = { now: () => Date.now() - 3_600_000 };
    const { refused } = await preflight(shell.node, needs, 'nosuchuser', clock, soon());
    expect(refused).toHaveLength(5);
    expect(refused.join('\n')).toMatch(/no account[^]*are free on[^]*of memory[^]*CPUs[^]*60 min ahead/);
  });
});
