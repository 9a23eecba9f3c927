import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BuildPage } from '../../server/contract.ts';
import { DEADLINE, type JobStory, PROJECT, startJobs, untilTrue } from '../harness/jobs.ts';
import { CI_USER } from '../harness/site.ts';

/** What jobs find on a node and at their site: zuul-cloner, scripts, a site's own parts, limits, times, an end of logs. */

const jobs = (upstream: string, cache: string) => `
- job:
    name: demo-test
    node: local
    builders:
      - shell: |
          #!/bin/bash -e
          cat > map.yaml << EOF
          clonemap:
            - name: ${PROJECT}
              dest: src/demo
            - name: 'org/(lib.*)'
              dest: 'src/\\1'
          EOF
          /usr/zuul-env/bin/zuul-cloner -m map.yaml --cache-dir ${cache} file://${upstream} ${PROJECT} org/lib
          echo "change says $(cat src/demo/verdict), lib says $(cat src/lib/README)"
          zuul-cloner --version
- job: {name: scripted, builders: [{shell: '/usr/local/jenkins/slave_scripts/run-tox.sh py27'}]}
- job: {name: own, builders: [{greet: 'Ann'}], publishers: [{announce: {to: board}}]}
- job: {name: alone, concurrent: false, builders: [{shell: 'sleep 1'}]}
- job: {name: shared-a, properties: [{throttle: {option: category, categories: [lab], max-total: 1}}], builders: [{shell: 'sleep 1'}]}
- job: {name: shared-b, properties: [{throttle: {option: category, categories: [lab], max-total: 1}}], builders: [{shell: 'sleep 1'}]}
- job: {name: minutely, triggers: [{timed: '* * * * *'}], builders: [{shell: 'echo "by $BUILD_CAUSE"'}]}
- job: {name: rotates, properties: [{build-discarder: {num-to-keep: 1}}], builders: [{shell: 'echo kept'}]}
`;

const plugins = `
export const builders = {
  greet: (name, complain) => {
    if (typeof name !== 'string') complain('it wants a name');
    return [{ kind: 'shell', script: 'echo hello ' + name }];
  },
};
export const publishers = {
  announce: {
    check: (options, complain) => { if (options?.to === undefined) complain('it wants "to:"'); },
    async publish({ to }, build) {
      await build.say('announced on the ' + to);
      await build.add('announcement.txt', build.job + ' #' + build.number + ' is ' + build.result);
      build.worsen('UNSTABLE', 'the ' + to + ' is full');
    },
  },
};
`;

let story: JobStory;
let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'stackgate-site-'));
  await chmod(home, 0o755);
  const git = (dir: string, ...args: string[]) =>
    execFileSync('git', ['-C', dir, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args]);
  for (const project of ['org/lib', PROJECT]) {
    const dir = join(home, 'upstream', project);
    await mkdir(dir, { recursive: true });
    git(dir, 'init', '-q', '-b', 'master');
    await writeFile(join(dir, 'README'), `upstream ${project}`);
    git(dir, 'add', '-A');
    git(dir, 'commit', '-q', '-m', 'one');
  }
  await mkdir(join(home, 'cache/org'), { recursive: true });
  execFileSync('git', ['clone', '-q', '--bare', join(home, 'upstream/org/lib'), join(home, 'cache/org/lib')]);
  // Jobs run as somebody else: git asks whose a repository is.
  if (process.geteuid?.() === 0) execFileSync('chown', ['-R', 'nobody', join(home, 'upstream')]);
  await mkdir(join(home, 'scripts/lib'), { recursive: true });
  await writeFile(
    join(home, 'scripts/run-tox.sh'),
    '#!/bin/bash\n. /usr/local/jenkins/slave_scripts/lib/common.sh\nhello "$1"\n',
  );
  await writeFile(join(home, 'scripts/lib/common.sh'), 'hello() { echo "common $1"; }\n');
  await writeFile(join(home, 'plugins.mjs'), plugins);
  const site = `slave-scripts: ${join(home, 'scripts')}\nplugins: ${join(home, 'plugins.mjs')}`;
  story = await startJobs(jobs(join(home, 'upstream'), join(home, 'cache')), { site });
}, DEADLINE);
afterAll(async () => {
  await story?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
}, DEADLINE);

describe('a node', { timeout: DEADLINE }, () => {
  it('has a zuul-cloner: the change as it is tested, the rest from upstream by way of a cache', async () => {
    const { number } = await story.gerrit.push(PROJECT, { user: 'ann', files: { verdict: 'well' } });
    const reviews = () => story.gerrit.reviews({ user: CI_USER, change: number });
    await story.gerrit.waitFor(() => reviews().length === 1, DEADLINE);
    const url = /http:\S+/.exec(reviews()[0]?.message ?? '')?.[0] ?? '';
    const console = await (await fetch(new URL('console.txt', url))).text();
    expect({ labels: reviews()[0]?.labels, console }).toMatchObject({ labels: { Verified: 1 } });
    expect(console).toContain('change says well, lib says upstream org/lib\n');
    expect(console).toMatch(/org\/lib: from the cache/);
    expect(console).toMatch(/org\/demo: refs\/zuul\/master\/Z/);
  });

  it('has the scripts of the site where jobs look for them', async () => {
    expect(await story.run('scripted')).toMatchObject({
      result: 'SUCCESS',
      console: expect.stringContaining('common py27\n') as unknown,
    });
  });
});

describe('a site', { timeout: DEADLINE }, () => {
  it('has builders and publishers of its own', async () => {
    const ran = await story.run('own');
    expect(ran).toMatchObject({ result: 'UNSTABLE', detail: 'the board is full' });
    expect(ran.console).toContain('hello Ann\n');
    expect(ran.console).toContain('announced on the board\n');
    expect(await ran.file('announcement.txt')).toMatch(/^own #\d+ is SUCCESS$/);
  });

  it('runs as many builds at a time as a job or a category may', async () => {
    const apart = async (one: string, other: string) => {
      const [a, b] = await Promise.all([story.run(one), story.run(other)]);
      return a.finishedAt <= b.startedAt || b.finishedAt <= a.startedAt;
    };
    expect(await apart('alone', 'alone')).toBe(true);
    expect(await apart('shared-a', 'shared-b')).toBe(true);
  });

  it('forgets logs as a job asks', async () => {
    const first = await story.run('rotates');
    const second = await story.run('rotates');
    await story.restart();
    const there = async (url: string) => {
      const path = new URL(url).pathname;
      const { host } = new URL((await story.run('scripted')).url);
      return (await fetch(`http://${host}${path}console.txt`)).ok;
    };
    await untilTrue(async () => !(await there(first.url)));
    expect(await there(second.url)).toBe(true);
  });

  it(
    'runs a job at its times',
    async () => {
      const built = await untilTrue(async () => {
        const { builds } = await story.client.get('/api/v1/builds?job=minutely', BuildPage);
        return builds.find((build) => build.state === 'finished');
      });
      expect(built.result).toBe('SUCCESS');
      const console = await (await fetch(new URL('console.txt', built.url ?? ''))).text();
      expect(console).toContain('by TIMERTRIGGER');
    },
    2 * DEADLINE,
  );
});
