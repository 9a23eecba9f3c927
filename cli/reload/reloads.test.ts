import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Fault } from '../../pipelines/fault.ts';
import { openSite } from './opening.ts';
import { createReloads } from './reloads.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'stackgate-reloads-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const layout = (...jobs: string[]) => `pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger: {gerrit: [{event: patchset-created}]}
projects:
  - name: org/one
    check: [${jobs.join(', ')}]
`;
const job = (name: string) => `- job: {name: ${name}, node: local, builders: [{shell: 'true'}]}\n`;

function repository() {
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...words], {
      cwd: join(dir, 'conf'),
      stdio: 'ignore',
    });
  mkdirSync(join(dir, 'conf', 'jobs'), { recursive: true });
  git('init', '--quiet', '--initial-branch=main');
  return (...names: string[]) => {
    writeFileSync(join(dir, 'conf', 'layout.yaml'), layout(...names));
    writeFileSync(join(dir, 'conf', 'jobs', 'jobs.yaml'), names.map(job).join(''));
    git('add', '-A');
    git('commit', '--quiet', '-m', 'change');
  };
}

test('a commit that could not be taken is taken by the next look, and a trouble that lasts is told once', async () => {
  const commit = repository();
  commit('unit');
  const file = join(dir, 'stackgate.yaml');
  writeFileSync(join(dir, 'key'), 'key', { mode: 0o600 });
  writeFileSync(
    file,
    `connections: {gerrit: {host: review.example.org, user: ci, key: key, host-key: ssh-ed25519 AAAA}}
nodes: {local: {user: nobody}}
repository: {url: conf, branch: main}
`,
  );
  const signal = AbortSignal.timeout(30_000);
  const { opening, read } = await openSite(file, signal);
  if (opening === undefined) throw new Error(JSON.stringify(read.problems));
  const lines: string[] = [];
  let away = 2;
  const reloads = createReloads(opening, {
    configure: async () => {
      if (away-- > 0) throw new Fault('database-away', 'no answer', { retry: true });
      return true;
    },
    looked: () => undefined,
    log: pino({ base: null, timestamp: false }, { write: (line: string) => lines.push(line) }),
  });
  commit('unit', 'lint');
  const look = async () => (await reloads.reload('repository', signal)).kind;
  expect([await look(), await look(), await look(), await look()]).toEqual([
    'failed',
    'failed',
    'applied',
    'same',
  ]);
  expect(lines.filter((line) => line.includes('reload failed'))).toHaveLength(1);
  expect(reloads.state().refused).toBeUndefined();
});
