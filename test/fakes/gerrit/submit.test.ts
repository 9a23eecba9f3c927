import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen, run } from './client.ts';
import { type Gerrit, type Login, startGerrit } from './server.ts';

let gerrit: Gerrit;
let ci: Login;
let admin: Login;
let serial = 0;

beforeAll(async () => {
  gerrit = await startGerrit();
  ci = gerrit.account('ci', { name: 'CI', groups: ['Service Users'] });
  admin = gerrit.account('admin');
  gerrit.allow({ ref: 'refs/heads/*', permission: 'submit', group: 'Service Users' });
});
afterAll(async () => gerrit[Symbol.asyncDispose]());

async function project(
  submitType?: 'CHERRY_PICK' | 'REBASE_IF_NECESSARY' | 'FAST_FORWARD_ONLY' | 'MERGE_ALWAYS',
) {
  const name = `p${serial++}`;
  await gerrit.createProject(name, { submitType });
  return name;
}
const approve = async (...changes: number[]) => {
  for (const change of changes) await gerrit.vote(change, { Verified: 1, 'Code-Review': 2 });
};
const git = async (name: string, ...args: string[]) =>
  (await gerrit.site.repo(name).git(args)).stdout.toString().trim();
const submit = async (change: number, patchset = 1) =>
  run(gerrit, ci, `gerrit review --submit ${change},${patchset}`);

describe('submit', () => {
  it('fast-forwards, then merges; ref-updated comes before change-merged', async () => {
    const name = await project();
    const a = await gerrit.push(name);
    const b = await gerrit.push(name, { commitMessage: 'Second' });
    await approve(a.number, b.number);
    using stream = await listen(gerrit, admin);
    expect(await submit(a.number)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await gerrit.tip(name, 'master')).toBe(a.revision);
    await gerrit.waitFor(() => stream.types().includes('change-merged'));
    expect(stream.types()).toEqual(['ref-updated', 'ref-updated', 'change-merged']);
    expect(stream.events()[0]).toMatchObject({
      submitter: { username: 'ci' },
      refUpdate: { refName: 'refs/heads/master', newRev: a.revision, project: name },
    });
    expect(stream.events()[2]).toMatchObject({ newRev: a.revision, change: { status: 'MERGED' } });

    await submit(b.number);
    const tip = await gerrit.tip(name, 'master');
    expect(await git(name, 'show', '-s', '--format=%P|%s', 'master')).toBe(
      `${a.revision} ${b.revision}|Merge "Second"`,
    );
    expect(gerrit.change(b.number)).toMatchObject({ status: 'MERGED', newRev: tip });
    expect(await submit(b.number)).toMatchObject({
      code: 1,
      stderr: 'error: fatal: change is merged\n\nfatal: one or more reviews failed; review output above\n',
    });
    const { stdout } = await run(gerrit, ci, `gerrit query --format=JSON --current-patch-set ${b.number}`);
    expect(stdout).toContain('"type":"SUBM","value":"1"');
  });

  it('takes ancestors along in one merge', async () => {
    const name = await project();
    const a = await gerrit.push(name);
    const b = await gerrit.push(name, { parentChange: a.number });
    const c = await gerrit.push(name, { parentChange: b.number });
    await approve(a.number, c.number);
    expect(await submit(c.number)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        `Failed to submit 3 changes due to the following problems:\nChange ${b.number}: submit requirement`,
      ),
    });
    await approve(b.number);
    await submit(c.number);
    expect(await gerrit.tip(name, 'master')).toBe(c.revision);
    for (const { number } of [a, b, c]) {
      expect(gerrit.change(number)).toMatchObject({ status: 'MERGED', newRev: c.revision });
    }
  });

  it('names what is missing', async () => {
    const name = await project();
    const a = await gerrit.push(name);
    const problem = (text: string) => ({
      code: 1,
      stderr: `error: fatal: ${text}\n\nfatal: one or more reviews failed; review output above\n`,
    });
    const problems = (text: string) =>
      problem(`Failed to submit 1 change due to the following problems:\nChange ${a.number}: ${text}`);
    // Only the first one is named.
    expect(await submit(a.number)).toMatchObject(
      problems("submit requirement 'Code-Review' is unsatisfied."),
    );
    await gerrit.vote(a.number, { 'Code-Review': 2 });
    expect(await submit(a.number)).toMatchObject(problems("submit requirement 'Verified' is unsatisfied."));
    await gerrit.vote(a.number, { Verified: -1 });
    expect(await submit(a.number)).toMatchObject(problems("submit requirement 'Verified' is unsatisfied."));
    await gerrit.vote(a.number, { Verified: 1 });
    await gerrit.flag(a.number, 'wip', true);
    expect(await submit(a.number)).toMatchObject(problems(`Change ${a.number} is marked work in progress`));
    await gerrit.flag(a.number, 'wip', false);
    await gerrit.push(name, { change: a.number });
    expect(await submit(a.number)).toMatchObject(problem(`revision ${a.revision} is not current revision`));
    const stranger = gerrit.account('bob');
    expect(await run(gerrit, stranger, `gerrit review --submit ${a.number},2`)).toMatchObject(
      problem('submit not permitted'),
    );
  });

  it('refuses to go in over an outdated patch set of its parent', async () => {
    const name = await project();
    const a = await gerrit.push(name);
    const b = await gerrit.push(name, { parentChange: a.number });
    await gerrit.push(name, { change: a.number });
    await approve(a.number, b.number);
    const { stderr } = await submit(b.number);
    expect(stderr).toContain(
      `Change ${b.number}: Depends on change that was not submitted. Commit ${b.revision} depends on commit ${a.revision}, which is outdated patch set 1 of change ${a.number}. The latest patch set is 2.`,
    );
  });

  it('refuses conflicts', async () => {
    const name = await project();
    const a = await gerrit.push(name, { files: { 'same.txt': 'a\n' } });
    const b = await gerrit.push(name, { files: { 'same.txt': 'b\n' } });
    await approve(a.number, b.number);
    await submit(a.number);
    expect((await submit(b.number)).stderr).toContain(
      `Change ${b.number}: Change could not be merged due to a path conflict.`,
    );
    expect(gerrit.change(b.number).status).toBe('NEW');
    expect(await gerrit.tip(name, 'master')).toBe(a.revision);
  });

  it('cherry-picks as a new patch set with footers', async () => {
    const name = await project('CHERRY_PICK');
    const a = await gerrit.push(name);
    const b = await gerrit.push(name, { parentChange: a.number });
    await approve(b.number);
    await submit(b.number);
    const change = gerrit.change(b.number);
    const tip = await gerrit.tip(name, 'master');
    expect(change).toMatchObject({ status: 'MERGED', newRev: tip });
    expect(change.patchsets.map((p) => p.revision)).toEqual([b.revision, tip]);
    expect(await git(name, 'show', '-s', '--format=%B', 'master')).toContain(
      `Change-Id: ${b.changeId}\nReviewed-on: http://gerrit.example.org/c/${name}/+/${b.number}\n`,
    );
    expect(await git(name, 'rev-parse', change.patchsets[1]?.ref ?? '')).toBe(tip);
    expect(gerrit.change(a.number).status).toBe('NEW');
    expect(change.messages.at(-1)?.text).toBe(`Change has been successfully cherry-picked as ${tip}`);
  });

  it('rebases if necessary, without a footer', async () => {
    const name = await project('REBASE_IF_NECESSARY');
    const a = await gerrit.push(name);
    const b = await gerrit.push(name);
    await approve(a.number, b.number);
    await submit(a.number);
    expect(await gerrit.tip(name, 'master')).toBe(a.revision);
    await submit(b.number);
    const tip = await gerrit.tip(name, 'master');
    expect(await git(name, 'show', '-s', '--format=%P', 'master')).toBe(a.revision);
    expect(gerrit.change(b.number).patchsets.at(-1)).toMatchObject({ number: 2, revision: tip });
  });

  it('refuses a merge where only fast-forwards are allowed', async () => {
    const name = await project('FAST_FORWARD_ONLY');
    const a = await gerrit.push(name);
    const b = await gerrit.push(name);
    await approve(a.number, b.number);
    await submit(a.number);
    expect((await submit(b.number)).stderr).toContain(
      'Project policy requires all submissions to be a fast-forward.',
    );
  });

  it('merges always where the project wants it', async () => {
    const name = await project('MERGE_ALWAYS');
    const a = await gerrit.push(name, { commitMessage: 'Only' });
    const start = await gerrit.tip(name, 'master');
    await approve(a.number);
    await submit(a.number);
    expect(await git(name, 'show', '-s', '--format=%P|%s', 'master')).toBe(
      `${start} ${a.revision}|Merge "Only"`,
    );
  });

  it('submits a whole topic over projects when the site says so', async () => {
    await using whole = await startGerrit({ submitWholeTopic: true });
    await whole.createProject('a');
    await whole.createProject('b');
    const one = await whole.push('a', { topic: 't' });
    const two = await whole.push('b', { topic: 't' });
    await whole.vote(one.number, { Verified: 1, 'Code-Review': 2 });
    await expect(whole.submit(one.number)).rejects.toThrow(`Change ${two.number}: submit requirement`);
    await whole.vote(two.number, { Verified: 1, 'Code-Review': 2 });
    await whole.submit(one.number);
    expect(await whole.tip('b', 'master')).toBe(two.revision);
    expect(whole.change(two.number).status).toBe('MERGED');
  });
});
