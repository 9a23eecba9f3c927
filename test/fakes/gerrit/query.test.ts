import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isJson, type Json } from './attributes.ts';
import { run } from './client.ts';
import { QueryError } from './operators.ts';
import { runQuery } from './query.ts';
import { type Gerrit, type Login, startGerrit } from './server.ts';

let gerrit: Gerrit;
let ci: Login;
let clock = Date.parse('2026-03-01T00:00:00Z');
const ids: Record<string, string> = {};

beforeAll(async () => {
  gerrit = await startGerrit({ now: () => clock, queryLimit: 3 });
  ci = gerrit.account('ci', { name: 'CI', groups: ['Service Users'] });
  gerrit.account('ann', { name: 'Ann' });
  await gerrit.createProject('org/demo', { branches: ['stable'] });
  await gerrit.createProject('org/tools');
  const push = async (name: string, project: string, spec: Parameters<Gerrit['push']>[1]) => {
    clock += 60_000;
    ids[name] = (await gerrit.push(project, { user: 'ann', ...spec })).changeId;
  };
  await push('base', 'org/demo', { commitMessage: 'Base change', topic: 'feature' }); // 1
  await push('child', 'org/demo', { parentChange: 1, commitMessage: `Child\n\nDepends-On: ${ids['base']}` }); // 2
  await push('stable', 'org/demo', { branch: 'stable', wip: true }); // 3
  await push('tools', 'org/tools', { files: { 'a/b.py': 'x\n' } }); // 4
  clock += 60_000;
  await gerrit.push('org/demo', { user: 'ann', change: 1, files: { 'new.txt': '1\n2\n' } });
  clock += 60_000;
  await gerrit.vote(1, { Verified: 1, 'Code-Review': 2 }, { message: 'fine' });
  clock += 60_000;
  await gerrit.vote(4, { Verified: -1 }, { user: 'ci', message: 'broken' });
  clock += 60_000;
  await gerrit.abandon(3, { user: 'ann' });
});
afterAll(async () => gerrit[Symbol.asyncDispose]());

async function ask(flags: string): Promise<{ rows: Json[]; last: Json; code: number | undefined }> {
  const answer = await run(gerrit, ci, `gerrit query --format=JSON ${flags}`);
  const all = answer.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(isJson);
  return { rows: all.slice(0, -1), last: all.at(-1) ?? {}, code: answer.code };
}

const numbers = async (query: string) => (await ask(`--no-limit -- '${query}'`)).rows.map((r) => r['number']);

describe('query language', () => {
  it('takes any text, or says what is wrong with it', () => {
    const word = fc.constantFrom(
      ...'status:open|label:Verified|=1|(|)|-| |AND| OR |NOT |"|{|}|:|project:^|[a|age:|2d|after:|2026-01-01|change:|I0|limit:|0|é|,'.split(
        '|',
      ),
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(word).map((words) => words.join('')),
    );
    const admin = gerrit.site.account('admin');
    fc.assert(
      fc.property(text, (query) => {
        try {
          expect(runQuery(gerrit.site.state, admin, query, clock, 0, 10).changes.length).toBeLessThan(11);
        } catch (error) {
          expect(error).toBeInstanceOf(QueryError);
        }
      }),
    );
  });
});

describe('gerrit query', () => {
  it.each([
    ['change:1', [1]],
    ['1', [1]],
    ['change:99', []],
    ['project:org/demo', [3, 1, 2]],
    ['project:^org/.*', [3, 4, 1, 2]],
    ['p:^org/d.*o$', [3, 1, 2]],
    ['projects:org/t', [4]],
    ['branch:stable', [3]],
    ['branch:refs/heads/master', [4, 1, 2]],
    ['status:open', [4, 1, 2]],
    ['status:abandoned', [3]],
    ['is:open project:org/demo', [1, 2]],
    ['is:closed', [3]],
    ['is:wip', [3]],
    ['is:submittable', [1]],
    ['topic:feature', [1]],
    ['topic:"feature"', [1]],
    ['topic:""', [3, 4, 2]],
    ['label:Verified=1', [1]],
    ['label:Verified+1', [1]],
    ['label:Verified=-1,user=ci', [4]],
    ['label:Verified=-1,user=ann', []],
    ['label:Code-Review>=1', [1]],
    ['label:Code-Review=MAX', [1]],
    ['status:open -label:Verified=1', [4, 2]],
    ['status:open NOT label:Verified=1', [4, 2]],
    ['change:1 OR change:4', [4, 1]],
    ['(change:1 OR change:4) AND project:org/tools', [4]],
    ['status:open (project:org/tools OR topic:feature)', [4, 1]],
    ['message:{Base change}', [1]],
    ['message:base', [1]],
    ['message:{change base}', []],
    ['parentof:2', [1]],
    ['owner:ann', [3, 4, 1, 2]],
    ['owner:ci', []],
    ['reviewer:self', [4]],
    ['file:b.py', [4]],
    ['after:"2026-03-01 00:08:00"', [3]],
    ['after:2026-03-01', [3, 4, 1, 2]],
    ['before:"2026-03-01 00:02:00.000 +0000"', [2]],
    ['-age:2m', [3, 4]],
    ['age:3minutes', [2]],
    ['age:1d', []],
    ['limit:1', [3]],
    ['commit:ffffffff', []],
  ])('%s', async (query, expected) => {
    expect(await numbers(query)).toEqual(expected);
  });

  it('finds by Change-Id and by a Change-Id in the message', async () => {
    expect(await numbers(`change:${ids['base']}`)).toEqual([1]);
    expect(await numbers(`message:{${ids['base']}}`)).toEqual([1, 2]);
    expect(await numbers(`${gerrit.change(2).patchsets[0]?.revision}`)).toEqual([2]);
  });

  it.each([
    ['foo:bar', 'Unsupported operator foo:bar'],
    ['status:what', 'Unrecognized value: what'],
    ['(change:1', /missing '\)'/],
    ['change:1)', /extraneous input/],
    ['topic:"open', /mismatched character/],
    ['limit:0', 'invalid limit: 0'],
    ['project:^[', 'invalid regular expression: ^['],
  ])('answers %s with an error line and exit 0', async (query, message) => {
    const { rows, last, code } = await ask(`'${query.replaceAll('"', '\\"')}'`);
    expect(code).toBe(0);
    expect(rows).toEqual([]);
    expect(last).toMatchObject({ type: 'error' });
    if (typeof message === 'string') expect(last['message']).toBe(message);
    else expect(last['message']).toMatch(message);
  });

  it('pages with the limit of the server', async () => {
    const first = await ask('status:open OR status:closed');
    expect(first.rows.map((r) => r['number'])).toEqual([3, 4, 1]);
    expect(first.last).toMatchObject({ type: 'stats', rowCount: 3, moreChanges: true });
    expect(Object.keys(first.last)).toEqual(['type', 'rowCount', 'runTimeMilliseconds', 'moreChanges']);
    const second = await ask('-S 3 status:open OR status:closed');
    expect(second.rows.map((r) => r['number'])).toEqual([2]);
    expect(second.last).toMatchObject({ rowCount: 1, moreChanges: false });
  });

  it('gives only what the flags ask for', async () => {
    const [plain] = (await ask('change:1')).rows;
    expect(Object.keys(plain ?? {})).toEqual([
      'project',
      'branch',
      'topic',
      'id',
      'number',
      'subject',
      'owner',
      'url',
      'hashtags',
      'createdOn',
      'lastUpdated',
      'open',
      'status',
    ]);
    const flags =
      '--all-approvals --comments --commit-message --current-patch-set --dependencies --files --patch-sets --submit-records --all-reviewers';
    const [full] = (await ask(`${flags} change:1`)).rows;
    expect(full).toMatchObject({
      commitMessage: `Base change\n\nChange-Id: ${ids['base']}\n`,
      comments: [
        { message: 'Uploaded patch set 1.', reviewer: { username: 'ann' } },
        { message: 'Uploaded patch set 2.' },
        { message: 'Patch Set 2: Code-Review+2 Verified+1\n\nfine', reviewer: { username: 'admin' } },
      ],
      currentPatchSet: {
        number: 2,
        approvals: [
          { type: 'Verified', value: '1', by: { username: 'admin' } },
          { type: 'Code-Review', value: '2' },
        ],
        files: [
          { file: '/COMMIT_MSG', type: 'ADDED' },
          { type: 'ADDED', insertions: 1, deletions: 0 },
          { file: 'new.txt', type: 'ADDED', insertions: 2, deletions: 0 },
        ],
      },
      submitRecords: [
        {
          status: 'OK',
          labels: [
            { label: 'Code-Review', status: 'OK', by: { username: 'admin' } },
            { label: 'Verified', status: 'OK' },
          ],
        },
      ],
      allReviewers: [{ username: 'admin' }],
    });
    expect(full?.['patchSets']).toHaveLength(2);
    expect(JSON.stringify(full)).not.toContain('oldValue');
    expect(JSON.stringify(full)).toContain('grantedOn');
  });

  it('knows dependencies, with outdated patch sets', async () => {
    const [child] = (await ask('--dependencies --current-patch-set change:2')).rows;
    expect(child).toMatchObject({
      dependsOn: [{ id: ids['base'], number: 1, ref: 'refs/changes/01/1/1', isCurrentPatchSet: false }],
    });
    expect(child).not.toHaveProperty('neededBy');
    const [base] = (await ask('--dependencies change:1')).rows;
    expect(base).not.toHaveProperty('neededBy');
    expect(base).not.toHaveProperty('dependsOn');
    await gerrit.push('org/demo', { change: 2, parentChange: 1, rebase: true });
    const [again] = (await ask('--dependencies change:1')).rows;
    expect(again).toMatchObject({ neededBy: [{ number: 2, ref: 'refs/changes/02/2/2' }] });
    const [moved] = (await ask('--dependencies --current-patch-set change:2')).rows;
    expect(moved).toMatchObject({
      dependsOn: [{ number: 1, isCurrentPatchSet: true }],
      currentPatchSet: { kind: 'TRIVIAL_REBASE' },
    });
  });

  it('refuses --files without patch sets, and bad formats', async () => {
    expect(await run(gerrit, ci, 'gerrit query --files change:1')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'fatal: --files option needs --patch-sets or --current-patch-set\n',
    });
    expect((await run(gerrit, ci, 'gerrit query --format XML x')).code).toBe(1);
  });

  it('writes text by default', async () => {
    const { stdout } = await run(gerrit, ci, 'gerrit query change:4');
    expect(stdout).toMatch(/^change I[0-9a-f]{40}\n {2}project: org\/tools\n {2}branch: master\n/);
    expect(stdout).toMatch(/\n\ntype: stats\nrowCount: 1\nrunTimeMilliseconds: \d+\nmoreChanges: false\n\n$/);
  });
});
