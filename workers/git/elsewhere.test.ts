import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoriesOf } from './elsewhere.ts';
import { createGitDoor } from './serve.ts';

const run = promisify(execFile);
const ref = 'refs/zuul/master/Z0123456789abcdef0123456789abcdef';
let root: string;
let server: Server;
let door: string;
let state: string;

const never = () => AbortSignal.timeout(20_000);

async function git(name: string, ...args: string[]): Promise<string> {
  const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.org'];
  return (await run('git', ['-C', join(root, name), ...who, ...args])).stdout.trim();
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stackgate-elsewhere-'));
  for (const name of ['there', 'here']) {
    await run('git', ['init', '-q', '--bare', '-b', 'master', join(root, name)]);
    const tree = await git(name, 'hash-object', '-t', 'tree', '-w', '/dev/null');
    await git(name, 'update-ref', 'refs/heads/master', await git(name, 'commit-tree', '-m', 'base', tree));
    if (name === 'there') state = await git(name, 'commit-tree', '-m', 'merged', '-p', 'master', tree);
  }
  await git('there', 'update-ref', ref, state);
  const answer = createGitDoor({ locate: (path) => (path === 'org/a' ? join(root, 'there') : undefined) });
  server = createServer((req, res) => {
    if (!answer(req, res)) res.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  door = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/p`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(root, { recursive: true, force: true });
});

const params = (more: Record<string, string> = {}) => ({
  ZUUL_URL: door,
  ZUUL_PROJECT: 'org/a',
  ZUUL_BRANCH: 'master',
  ZUUL_REF: ref,
  ZUUL_COMMIT: state,
  ZUUL_CHANGES: 'org/a:master:refs/changes/01/1/1',
  ...more,
});

describe('what was merged on another machine', () => {
  for (const [what, here] of [
    ['with a copy of the project here', true],
    ['without one', false],
  ] as const) {
    it(`is fetched from the door that ZUUL_URL names, ${what}`, async () => {
      const locate = () => (here ? join(root, 'here') : undefined);
      const dir = join(root, `fetched-${here}`);
      const repositories = repositoriesOf({ dir, locate });
      for (let again = 0; again < 2; again++) {
        const [found] = await repositories(params(), never());
        expect(found).toMatchObject({ project: 'org/a', refs: { [ref]: state }, head: 'refs/heads/master' });
        const kept = await run('git', ['-C', found?.path ?? '', 'log', '--format=%s', state]);
        expect(kept.stdout).toBe('merged\nbase\n');
      }
    });
  }

  it('is not fetched where it is here already, or where nothing was merged', async () => {
    const dir = join(root, 'unused');
    const there = repositoriesOf({ dir, locate: () => join(root, 'there') });
    expect((await there(params({ ZUUL_URL: 'http://127.0.0.1:1/p' }), never()))[0]?.path).toBe(
      join(root, 'there'),
    );
    const here = repositoriesOf({ dir, locate: () => join(root, 'here') });
    expect((await here({ ZUUL_PROJECT: 'org/a' }, never()))[0]?.path).toBe(join(root, 'here'));
  });

  it('is asked for again later when that door is closed, and never from anything but the web', async () => {
    const repositories = repositoriesOf({ dir: join(root, 'closed'), locate: () => undefined });
    const closed = repositories(params({ ZUUL_URL: 'http://127.0.0.1:1/p' }), never());
    await expect(closed).rejects.toMatchObject({ code: 'git-failed', retry: true });
    for (const url of [`file://${root}`, 'ext::sh -c date', '--upload-pack=date', '']) {
      const asked = repositories(params({ ZUUL_URL: url }), never());
      await expect(asked).rejects.toMatchObject({ code: 'git-failed', retry: false });
    }
  });
});
