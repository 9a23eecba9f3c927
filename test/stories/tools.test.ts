import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fits } from '../../cli/commands/jobs.ts';

/** The commands around files, run as a person runs them: a process of its own, its output, its exit code. */

const main = new URL('../../cli/main.ts', import.meta.url).pathname;
const tsx = new URL('../../node_modules/.bin/tsx', import.meta.url).pathname;

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'stackgate-tools-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function put(path: string, text: string, mode = 0o644): string {
  const file = join(dir, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

function stackgate(args: readonly string[], input = ''): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(tsx, [main, ...args], {
    input,
    encoding: 'utf8',
    cwd: dir,
    env: { ...process.env, HOME: dir, NO_COLOR: '1' },
    timeout: 60_000,
  });
  return { code: status, out: stdout, err: stderr };
}

const site = (more = '') => `connections:
  gerrit: {driver: gerrit, host: review.example.org, user: ci, key: key, host-key: 'SHA256:x'}
${more}`;
const layout = `pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger: {gerrit: [{event: patchset-created}]}
  - name: post
    manager: IndependentPipelineManager
    trigger: {gerrit: [{event: ref-updated}]}
projects:
  - name: org/one
    check:
      - build-one:
          - test-one
`;
const jobs = `- job-template:
    name: '{stage}-{name}'
    node: trusty
    builders:
      - say: {what: '{stage}'}
- builder:
    name: say
    builders:
      - shell: 'echo {what}'
- project:
    name: one
    stage: [build, test, spare]
    jobs: ['{stage}-{name}']
`;

describe('stackgate jobs', { timeout: 120_000 }, () => {
  beforeAll(() => {
    put('jobs/stackgate.yaml', site());
    put('jobs/layout.yaml', layout);
    put('jobs/jobs/one.yaml', jobs);
  });
  const run = (...args: string[]) => stackgate(['jobs', ...args, '--config', 'jobs/stackgate.yaml']);

  it('lists jobs with who runs them, and those that nobody runs', () => {
    expect(
      run('list')
        .out.split('\n')
        .map((line) => line.split(/ +/).slice(0, 3)),
    ).toEqual([
      ['job', 'node', 'pipelines'],
      ['build-one', 'trusty', 'check'],
      ['spare-one', 'trusty', '-'],
      ['test-one', 'trusty', 'check'],
      [''],
    ]);
    const unused: unknown = JSON.parse(run('list', '--unused', '--json').out);
    expect(unused).toEqual({
      jobs: [{ name: 'spare-one', node: 'trusty', pipelines: [], place: 'jobs/one.yaml:2:5' }],
    });
  });

  it('shows a job expanded, and asks what was meant', () => {
    expect(run('show', 'test-one').out).toBe(
      'jobs:\n  test-one:\n    nodes: trusty\n    steps:\n      - echo test\n    timestamps: false\n',
    );
    expect(run('show', '--raw', 'test-one').out).toContain('- shell: echo test');
    const missed = run('show', 'test-oen');
    expect([missed.code, missed.err]).toEqual([3, expect.stringContaining('did you mean test-one?')]);
  });

  it('writes every job to a file of its own', () => {
    const { code, err } = run('test', '*-one', '-o', 'out');
    expect([code, err]).toEqual([0, '3 jobs in out, 0 errors\n']);
    expect(readFileSync(join(dir, 'out/build-one.yaml'), 'utf8')).toContain('- shell: echo build');
  });

  it('draws which job waits for which', () => {
    expect(run('graph').out).toContain('"0/build-one" -> "0/test-one";');
    expect(run('graph', '--pipeline', 'chekc').err).toContain('did you mean check?');
  });

  it('fits patterns without a regex engine', () => {
    expect(fits('a*c', 'abc')).toBe(true);
    expect(fits('a*b*', 'axbx')).toBe(true);
    expect(fits('ab*ba', 'aba')).toBe(false);
    expect(fits('*', '')).toBe(true);
    expect(fits(`${'*a'.repeat(2000)}b`, 'a'.repeat(5000))).toBe(false);
  });
});

describe('stackgate secret', { timeout: 120_000 }, () => {
  const config = (text: string) => {
    put('secret/stackgate.yaml', site(text));
    put('secret/layout.yaml', layout);
    put('secret/jobs/one.yaml', jobs);
  };
  const run = (args: readonly string[], input?: string) =>
    stackgate(['secret', ...args, '--config', 'secret/stackgate.yaml'], input);

  it('puts secrets under a key, tells who may have them, and never shows one', () => {
    config('secrets:\n  token: {store: true, jobs: [build-one], pipelines: [post]}\n');
    const set = run(['set', 'token'], 'correct horse');
    expect([set.code, set.err]).toEqual([0, expect.stringContaining('its key was made')]);
    expect(statSync(join(dir, '.config/stackgate/secret.key')).mode & 0o777).toBe(0o600);
    const sealed = readFileSync(join(dir, 'secret/data/secrets.sealed'), 'utf8');
    expect(sealed).not.toContain('horse');
    const list = run(['list']);
    expect(list.out).toMatch(/^token {2}\S+secrets\.sealed {2}for build-one in post\n$/);
    const check = run(['check']);
    expect([check.code, check.out]).toEqual([0, expect.stringContaining('ok       token: 13 bytes')]);
    expect([set, list, check].some(({ out, err }) => `${out}${err}`.includes('horse'))).toBe(false);
    expect(run(['remove', 'token']).code).toBe(0);
    expect(run(['remove', 'token']).code).toBe(3);
  });

  it('says what a build would miss', () => {
    const open = put('open-key', 'x', 0o644);
    config(`secrets:
  open: {file: ${open}, jobs: [build-on], pipelines: [chekc]}
`);
    const { code, out } = run(['check']);
    expect(code).toBe(1);
    expect(out).toContain('can be read by others (mode 0644)');
    expect(out).toContain(`chmod 600 ${open}`);
    expect(out).toContain('did you mean `build-one`?');
    expect(out).toContain('did you mean `check`?');
  });

  it('looks at what jobs want, and where they get it', () => {
    config('secrets:\n  token: {env: T, jobs: [use], pipelines: [post]}\n');
    put('secret/layout.yaml', layout.replace('- test-one', '- test-one\n      - use\n      - lost'));
    const native = 'jobs:\n  use: {secrets: {A: token}}\n  lost: {secrets: {A: tokne}}\n';
    put('secret/jobs/native.yaml', native);
    const { out } = stackgate(['config', 'validate', 'secret/stackgate.yaml']);
    expect(out).toMatch(/native\.yaml:2:3: warning\[secret-unbound\]: job `use` does not get .* in check/);
    expect(out).toMatch(/native\.yaml:3:3: error\[secret-unknown\]: .*[\s\S]*did you mean `token`\?/);
    rmSync(join(dir, 'secret/jobs/native.yaml'));
  });

  it('refuses secrets that lie in the configuration repository', () => {
    config('secrets:\n  mine: {file: mine, jobs: [build-one], pipelines: [check]}\n');
    execFileSync('git', ['init', '--quiet', join(dir, 'secret')]);
    const { code, out } = stackgate(['config', 'validate', 'secret/stackgate.yaml']);
    expect(code).toBe(1);
    expect(out).toMatch(/stackgate\.yaml:4:10: error\[secret-in-repository\]/);
  });
});
