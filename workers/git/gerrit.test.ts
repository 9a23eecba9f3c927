import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MergeEntry } from '../../pipelines/action.ts';
import { mergeAction, merged } from '../../test/conformance/ports/merger.ts';
import { type Gerrit, type Login, startGerrit } from '../../test/fakes/gerrit/server.ts';
import { openGitBridge } from '../gerrit/bridge.ts';
import { GerritSettings } from '../gerrit/settings.ts';
import { openConnection } from '../intake.ts';
import { createMerger, type GitMerger } from '../merger.ts';
import type { GitSource } from './source.ts';

/** The merger against a Gerrit that speaks git over a real SSH server, over our own connection. */
describe('merging what a Gerrit has', () => {
  let dir = '';
  let gerrit: Gerrit;
  let ci: Login;
  let source: GitSource;
  let merger: GitMerger;
  const cleanups: AsyncDisposable[] = [];

  async function sourceOf(hostKey: string): Promise<GitSource> {
    const { host, port } = gerrit;
    const settings = GerritSettings.parse({
      connection: 'gerrit',
      host,
      port,
      user: 'ci',
      keyFile: ci.keyFile,
      hostKeys: hostKey,
      readyTimeout: 2_000,
    });
    const connection = openConnection(settings);
    const bridge = await openGitBridge((command, env) => connection.commands.channel(command, env));
    cleanups.push(connection, bridge);
    return { url: (project) => bridge.url(project), env: {} };
  }

  function start(from: GitSource): GitMerger {
    const made = createMerger({
      dir: join(dir, 'data'),
      sources: { gerrit: from },
      url: () => 'http://localhost/p',
    });
    cleanups.push(made);
    return made;
  }

  async function push(n: number, spec: Parameters<Gerrit['push']>[1] = {}): Promise<MergeEntry> {
    const { number, patchset, revision, ref } = await gerrit.push('org/demo', spec);
    return {
      connection: 'gerrit',
      project: 'org/demo',
      branch: 'master',
      mode: 'merge',
      number: `${number}`,
      patchset: `${patchset}`,
      revision,
      refspec: ref,
      ref: `refs/zuul/master/Z${String(n).padStart(32, '0')}`,
    };
  }

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stackgate-gerrit-'));
    gerrit = await startGerrit();
    ci = gerrit.account('ci', { name: 'Demo CI' });
    await gerrit.createProject('org/demo', { files: { 'README.md': 'hello\n' } });
    source = await sourceOf(gerrit.hostKey);
    merger = start(source);
  });
  afterEach(async () => {
    for (const thing of cleanups.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
    await gerrit[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  it('stacks changes on the branch, and follows what is submitted', async () => {
    const one = await push(1);
    const two = await push(2);
    const first = await merged(merger, [one, two]);
    expect(first.commit).not.toBe(two.revision);
    await gerrit.vote(Number(one.number), { 'Code-Review': 2, Verified: 1 });
    await gerrit.submit(Number(one.number));
    const three = await push(3);
    const second = await merged(merger, [three]);
    expect(second.bases[0]?.commit).not.toBe(first.bases[0]?.commit);
  });

  it('says that a project is not there', async () => {
    const one = await push(1);
    const outcome = await merger.merge(
      mergeAction([{ ...one, project: 'org/absent' }]),
      AbortSignal.timeout(20_000),
    );
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringMatching(/org\/absent/) });
  });

  it('waits for a Gerrit that is away, and trusts no other', async () => {
    const one = await push(1);
    await merged(merger, [one]);
    const two = await push(2);
    const stranger = await sourceOf(
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJHnhZ4bHMFf4GGzP1bD2QKoDkHnRZuB2Vz9VjxJ3d3B',
    );
    await merger[Symbol.asyncDispose]();
    const careful = start(stranger);
    await expect(careful.merge(mergeAction([two]), AbortSignal.timeout(20_000))).rejects.toMatchObject({
      retry: true,
    });
    await careful[Symbol.asyncDispose]();
    const again = start(await sourceOf(gerrit.hostKey));
    expect((await merged(again, [two])).commit).toBe(two.revision);
  });
});
