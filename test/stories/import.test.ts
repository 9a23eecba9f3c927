import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { importSite } from '../../cli/commands/import.ts';
import { importRepository } from '../../cli/import/import.ts';
import { readYaml } from '../../jobs/yaml.ts';
import { type Gerrit, startGerrit } from '../fakes/gerrit/server.ts';
import { type Instance, startInstance } from '../harness/instance.ts';
import { jobUser } from '../harness/site.ts';

/** The official starter repository of third-party CIs becomes a site that votes. */

const shared = new URL('../../../shared/conformance/', import.meta.url).pathname;
const example = join(shared, 'jjb/real/project-config-example/in');
const pool = join(shared, 'zuul-v2/openstack/jenkins/nodepool/nodepool.yaml');
const present = existsSync(example) && existsSync(pool);
if (!present) console.log(`import: ${shared} is not there: the story of the import is skipped`);

const main = new URL('../../cli/main.ts', import.meta.url).pathname;
const tsx = new URL('../../node_modules/.bin/tsx', import.meta.url).pathname;
const PROJECT = 'openstack-dev/ci-sandbox';

describe.skipIf(!present)('an import', { timeout: 240_000 }, () => {
  const home = mkdtempSync(join(tmpdir(), 'stackgate-import-'));
  const data = join(home, 'data');
  const site = join(home, 'site');
  let gerrit: Gerrit;
  let running: Instance | undefined;

  beforeAll(async () => {
    chmodSync(home, 0o711);
    gerrit = await startGerrit({ dir: join(home, 'gerrit') });
    gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
    await gerrit.createProject(PROJECT);
    const ci = gerrit.account('myvendor-ci', {
      name: 'My Vendor CI',
      email: 'ci@example.org',
      groups: ['Service Users'],
    });
    cpSync(example, data, { recursive: true });
    cpSync(pool, join(data, 'nodepool.yaml'));
    for (const folder of ['', 'jenkins', 'jenkins/jobs', 'zuul']) chmodSync(join(data, folder), 0o755);
    writeFileSync(
      join(data, 'vars.sh'),
      `# What this site says for itself.
export UPSTREAM_GERRIT_SERVER=${gerrit.host}
export UPSTREAM_GERRIT_SSH_PORT=${gerrit.port}
export UPSTREAM_GERRIT_USER='myvendor-ci'
export UPSTREAM_GERRIT_SSH_KEY_PATH="${ci.keyFile}"
export UPSTREAM_GERRIT_HOST_PUBLIC_KEY="${gerrit.hostKey}"
export JENKINS_SSH_KEY_PATH=$HOME/jenkins_key
export PUBLISH_HOST=localhost
export GIT_EMAIL=ci@example.org GIT_NAME="My Vendor"
export SOMETHING_ELSE=yes
`,
    );
    writeFileSync(join(data, 'jenkins_key'), '-----BEGIN RSA PRIVATE KEY-----\nnot one\n');
  }, 60_000);
  afterAll(async () => {
    await running?.kill('SIGTERM');
    await gerrit[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  }, 60_000);

  it('tries itself without writing', () => {
    const text = execFileSync(tsx, [main, 'import', data, '--to', site, '--dry-run'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(text).toMatch(/\d+ missing, \d+ unsupported, \d+ assumed, \d+ ignored, \d+ mapped/);
    expect(existsSync(site)).toBe(false);
  });

  it('has a row for everything that was there', () => {
    const { rows } = importRepository(data);
    const told = new Set(rows.map(({ at }) => `${at?.file}:${at?.line}`));
    const lineOf = (file: string, name: RegExp) =>
      readFileSync(join(data, file), 'utf8')
        .split('\n')
        .findIndex((line) => name.test(line)) + 1;
    // Every file of the repository.
    for (const file of readdirSync(data, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(file.parentPath, file.name).slice(data.length + 1);
      expect([path, rows.some(({ at }) => at?.file === path)]).toEqual([path, true]);
    }
    // Every line of vars.sh.
    readFileSync(join(data, 'vars.sh'), 'utf8')
      .split('\n')
      .forEach((line, index) => {
        if (line !== '' && !line.startsWith('#')) expect(told).toContain(`vars.sh:${index + 1}`);
      });
    // Every definition of the job files.
    for (const name of readdirSync(join(data, 'jenkins/jobs'))) {
      const lines = readFileSync(join(data, 'jenkins/jobs', name), 'utf8').split('\n');
      lines.forEach((line, index) => {
        if (name.endsWith('.yaml') && /^- [a-z-]+:$/.test(line))
          expect(told).toContain(`jenkins/jobs/${name}:${index + 2}`);
      });
    }
    // Every section and element of the layout, and every key, label and provider of the pool.
    for (const key of [/python-file/, /name: check$/, /name: silent$/, /\^dsvm-tempest/, /openstack-dev/])
      expect(told).toContain(`zuul/layout.yaml:${lineOf('zuul/layout.yaml', key)}`);
    const { value } = readYaml({ name: 'nodepool.yaml', text: readFileSync(pool, 'utf8') });
    const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
    for (const key of keys.filter((name) => name !== 'labels' && name !== 'providers'))
      expect(told).toContain(`nodepool.yaml:${lineOf('nodepool.yaml', new RegExp(`^${key}:`))}`);
    const names = rows.map(({ what }) => what);
    expect(names.filter((what) => what.startsWith('label ')).length).toBe(13);
    expect(names.filter((what) => what.startsWith('provider ')).length).toBe(14);
    // The key of the repository went nowhere.
    expect(rows.find(({ what }) => what === 'jenkins_key')).toMatchObject({ outcome: 'unsupported' });
  });

  it('makes a site, never over another one', () => {
    const quiet = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    expect(importSite(data, { to: site, dryRun: false, json: false })).toBe(0);
    quiet.mockRestore();
    expect(readdirSync(site).sort()).toEqual([
      'import-report.txt',
      'jobs',
      'layout.yaml',
      'nodepool.yaml',
      'stackgate.yaml',
    ]);
    expect(readFileSync(join(site, 'layout.yaml'), 'utf8')).toBe(
      readFileSync(join(data, 'zuul/layout.yaml'), 'utf8'),
    );
    const report = readFileSync(join(site, 'import-report.txt'), 'utf8');
    expect(report).toMatch(/^0 missing, /m);
    expect(report).toMatch(/^unsupported {1,}vars\.sh:10:1 {2}SOMETHING_ELSE/m);
    expect(report).toMatch(/^unsupported {1,}jenkins\/jobs\/\S+ {2}unserved-label: no machine has `d-p-c`/m);
    expect(() => importSite(data, { to: site, dryRun: false, json: false })).toThrow(/is not empty/);
  });

  it('gives a site that starts, tests a patch and votes', async () => {
    const file = join(site, 'stackgate.yaml');
    // What a person still says: who jobs run as. The test takes a free port.
    const text = readFileSync(file, 'utf8').replace('    # user: jenkins', `    ${jobUser()}`);
    writeFileSync(file, `listen: 127.0.0.1:0\n${text}`);
    mkdirSync(join(site, 'data'), { recursive: true });
    running = await startInstance(file, {
      entry: main,
      env: { NODE_OPTIONS: '--import tsx' },
      deadline: 120_000,
    });
    const { number } = await gerrit.push(PROJECT, { user: 'ann', files: { a: 'b' } });
    const reviews = () => gerrit.reviews({ user: 'myvendor-ci', change: number });
    await gerrit.waitFor(() => reviews().length > 0, 120_000);
    expect(reviews()[0]?.message).toMatch(/noop-check-communication http:\S+ : SUCCESS in /);
  });
});
