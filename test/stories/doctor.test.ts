import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readEverything } from '../../cli/config.ts';
import { examine } from '../../cli/doctor/doctor.ts';
import { demoLayout } from '../demo/site.ts';
import { type Gerrit, startGerrit } from '../fakes/gerrit/server.ts';
import { CI_USER, type SiteSpec, writeSite } from '../harness/site.ts';

/** What stands between a new site and its first vote, found before it is started. */

const PROJECT = 'org/demo';
const jobs = `- job: {name: demo-test, node: local, builders: [{shell: 'true'}]}\n`;

let dir: string;
let gerrit: Gerrit;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stackgate-doctor-'));
  gerrit = await startGerrit({ dir: join(dir, 'gerrit') });
  await gerrit.createProject(PROJECT);
});
afterEach(async () => {
  await gerrit[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

async function found(more: Partial<SiteSpec> = {}): Promise<Map<string, readonly [string, string]>> {
  const { site, base, config, problems } = readEverything(
    await writeSite({ dir, gerrit, layout: demoLayout(PROJECT), jobs, ...more }),
  );
  if (site === undefined || config === undefined) throw new Error(JSON.stringify(problems));
  const findings = await examine(site, base, config);
  return new Map(
    findings.map(({ what, state, says, hint }) => [what, [state, `${says}\n${hint ?? ''}`] as const]),
  );
}

it('finds nothing in the way of a site that works', async () => {
  const findings = await found();
  const others = [...findings].filter(([, [state]]) => state !== 'good');
  // Where jobs run as ourselves, that is said.
  expect(others.filter(([what]) => what !== 'job user')).toEqual([]);
  expect(findings.get('gerrit: login')?.[1]).toMatch(
    new RegExp(`^${CI_USER} at 127\\.0\\.0\\.1:\\d+, Gerrit 3`),
  );
  expect(findings.get('gerrit: projects')?.[1]).toBe('all 1 can be read\n');
});

it('shows the keys of a server whose key is not pinned yet', async () => {
  const findings = await found({ gerrit: { ...gerrit, hostKey: 'SHA256:replace-me' } });
  const [state, text] = findings.get('gerrit: login') ?? [];
  expect(state).toBe('bad');
  expect(text).toContain('cannot read a host key in the line "SHA256:replace-me"');
  expect(text).toContain(gerrit.hostKey.split(' ').slice(0, 2).join(' '));
  expect(findings.has('gerrit: event stream')).toBe(false);
});

it('names a right that is missing, a project that is not there, and a key that others read', async () => {
  const account = () => gerrit.account('plain', { name: 'Plain Person', email: 'plain@example.org' });
  const layout = demoLayout(PROJECT).replace(
    'projects:',
    'projects:\n  - name: org/gone\n    check: [demo-test]',
  );
  const file = await writeSite({ dir, gerrit: { ...gerrit, account }, layout, jobs });
  await writeFile(file, (await readFile(file, 'utf8')).replace(`user: ${CI_USER}`, 'user: plain'));
  const { site, base, config } = readEverything(file);
  if (site === undefined || config === undefined) throw new Error('no site');
  const of = async () => new Map((await examine(site, base, config)).map((each) => [each.what, each]));
  const findings = await of();
  expect(findings.get('gerrit: event stream')).toMatchObject({
    state: 'bad',
    hint: expect.stringMatching('Stream Events'),
  });
  expect(findings.get('gerrit: name')).toMatchObject({ state: 'warning' });
  expect(findings.get('gerrit: projects')).toMatchObject({ state: 'bad', says: '1 of 2 cannot be read' });
  expect(findings.get('gerrit: projects')?.hint).toMatch(/^org\/gone: /m);
  await chmod(account().keyFile, 0o644);
  expect((await of()).get('gerrit: key')).toMatchObject({
    state: 'bad',
    hint: expect.stringMatching(/^Run: chmod 600/),
  });
});
