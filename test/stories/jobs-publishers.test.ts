import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missing, openSshd, type Sshd } from '../e2e/nodes/sshd.ts';
import { type FakeSmtp, startSmtp } from '../fakes/smtp.ts';
import { DEADLINE, type JobStory, startJobs, untilTrue } from '../harness/jobs.ts';

/** What each publisher does: files on a real sshd, mails in a real SMTP server, tests that count. */

const report = (cases: string) =>
  `'printf "%s" "<?xml version=\\"1.0\\"?><testsuite name=\\"s\\">${cases}</testsuite>" > r.xml'`;
const passed = (name: string) => `<testcase classname=\\"c\\" name=\\"${name}\\" time=\\"0.5\\"/>`;
const failed = (name: string) =>
  `<testcase classname=\\"c\\" name=\\"${name}\\"><failure message=\\"no\\">why</failure></testcase>`;
const bomb = `'printf "%s" "<?xml version=\\"1.0\\"?><!DOCTYPE x [<!ENTITY a \\"ha\\"><!ENTITY b \\"&a;&a;\\">]><testsuite><testcase name=\\"&b;\\"/></testsuite>" > r.xml'`;

const jobs = `
- job:
    name: archived
    builders: [{shell: 'mkdir -p a/.git b; echo 1 > a/x.log; echo 2 > a/.git/config; echo 3 > b/y.txt; echo 4 > "b/y.txt~"'}]
    publishers: [{archive: {artifacts: 'a/**, b/**', excludes: '**/z*'}}]
- job: {name: archives-nothing, builders: [{shell: 'true'}], publishers: [{archive: {artifacts: '*.none'}}]}
- job: {name: tests-pass, builders: [{shell: ${report(passed('t1') + passed('t2'))}}], publishers: [{junit: {results: '*.xml'}}]}
- job: {name: tests-fail, builders: [{shell: ${report(passed('t1') + failed('t2'))}}], publishers: [{junit: {results: '*.xml', health-scale-factor: 1.5}}]}
- job: {name: tests-none, builders: [{shell: 'true'}], publishers: [{junit: {results: '*.xml'}}]}
- job: {name: tests-bomb, builders: [{shell: ${bomb}}], publishers: [{junit: {results: '*.xml'}}]}
- job:
    name: thresholds
    parameters: [{string: {name: CASES, default: ''}}]
    builders: [{shell: 'printf "%s" "<testsuite>$CASES</testsuite>" > r.xml'}]
    publishers: [{xunit: {thresholds: [{failed: {unstable: 1, failurenew: 2}}], types: [{junit: {pattern: r.xml}}]}}]
- job:
    name: copies
    parameters: [{string: {name: EXIT, default: '0'}}]
    builders: [{shell: 'mkdir -p out/deep; echo one > out/deep/1.txt; echo two > out/2.txt; echo "loud <words>"; exit $EXIT'}]
    publishers:
      - scp:
          site: logs
          files:
            - {target: 'logs/$LOG_PATH', copy-console: true, copy-after-failure: true}
            - {target: 'logs/$LOG_PATH/kept', source: 'out/**', keep-hierarchy: true}
            - {target: 'logs/$LOG_PATH/flat', source: 'out/deep/*.txt'}
            - {target: '../../escape/$EXIT', source: 'out/2.txt', copy-after-failure: true}
- job: {name: copies-nowhere, builders: [{shell: 'echo x > x'}], publishers: [{scp: {site: away, files: [{target: t, source: x}]}}]}
- job:
    name: cleans-up
    parameters: [{string: {name: EXIT, default: '0'}}]
    builders: [{inject: {properties-content: 'SEEN=injected'}}, {shell: 'echo made > made; exit $EXIT'}]
    publishers:
      - postbuildscript:
          builders:
            - {build-on: [FAILURE], build-steps: [{shell: 'echo "after failure: $(cat made) $SEEN $BUILD_RESULT" | tee late.txt'}]}
            - {build-on: [SUCCESS], build-steps: [{shell: 'echo "after success: $(cat made)" | tee late.txt'}]}
      - archive: {artifacts: late.txt}
- job: {name: cleans-badly, builders: [{shell: 'true'}], publishers: [{postbuildscript: {builders: [{shell: 'exit 4'}], mark-unstable-if-failed: true}}]}
- job:
    name: finds
    parameters: [{string: {name: WORD, default: calm}}]
    builders: [{shell: 'echo "it is $WORD" | tee found.txt'}]
    publishers:
      - text-finder: {regexp: 'is (?:panic|fatal)', also-check-console-output: true, unstable-if-found: true}
      - text-finder: {regexp: '^it is fatal$', fileset: '*.txt'}
- job: {name: forgives, builders: [{shell: 'echo known problem; exit 1'}], publishers: [{text-finder: {regexp: known problem, also-check-console-output: true, succeed-if-found: true}}]}
- job: {name: leaves, builders: [{shell: 'echo $WORKSPACE; echo x > x'}], wrappers: [workspace-cleanup], publishers: [workspace-cleanup]}
- job:
    name: mails
    parameters: [{string: {name: EXIT, default: '0'}}]
    builders: [{shell: 'echo telling words; exit $EXIT'}]
    publishers: [{email: {recipients: 'ops@example.org dev@example.org'}}]
- job:
    name: mails-more
    parameters: [{string: {name: EXIT, default: '0'}}]
    builders: [{shell: 'echo telling words; echo content > note.txt; exit $EXIT'}]
    publishers:
      - email-ext:
          recipients: ops@example.org
          reply-to: answer@example.org
          subject: '$PROJECT_NAME is \${BUILD_STATUS} ($EXIT)'
          body: 'Log: \${BUILD_LOG, maxLines=3}'
          attachments: '*.txt'
          attach-build-log: true
          failure: false
          first-failure: true
          fixed: true
`;

const absent = missing();

let story: JobStory;
let sshd: Sshd | undefined;
let smtp: FakeSmtp;
let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stackgate-scp-'));
  smtp = await startSmtp();
  const connections = `smtp: {driver: smtp, server: 127.0.0.1, port: ${smtp.port}, default-from: ci@example.org}`;
  let site = '';
  const host = (name: string, port: number, folder: string, key: string) =>
    `  ${name}: {host: 127.0.0.1, port: ${port}, user: ${userInfo().username}, key: ${folder}/login, host-key: '${key}', root: ${root}}`;
  if (absent === undefined) {
    sshd = await openSshd();
    const key = (await readFile(join(sshd.folder, 'host_ed25519.pub'), 'utf8')).trim();
    site = ['scp-sites:', host('logs', sshd.port, sshd.folder, key), host('away', 9, sshd.folder, key)].join(
      '\n',
    );
  }
  story = await startJobs(jobs, { connections, site });
}, DEADLINE);
afterAll(async () => {
  await story?.[Symbol.asyncDispose]();
  await sshd?.[Symbol.asyncDispose]();
  await smtp?.[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
}, DEADLINE);

const mailsTo = (job: string) =>
  smtp.received.filter(({ text }) => new RegExp(`^Subject:.*${job}\\b`, 'm').test(text));
const stored = (path: string) => readFile(join(root, path), 'utf8');

describe('archive', { timeout: DEADLINE }, () => {
  it('keeps files in the folder of the build, without what ANT leaves out', async () => {
    const ran = await story.run('archived');
    expect(ran.result).toBe('SUCCESS');
    expect(await ran.file('a/x.log')).toBe('1\n');
    expect(await ran.file('b/y.txt')).toBe('3\n');
    expect(await ran.file('a/.git/config')).toBe(undefined);
    expect(await ran.file('b/y.txt~')).toBe(undefined);
  });

  it('fails a build that has nothing to keep', async () => {
    expect(await story.run('archives-nothing')).toMatchObject({ result: 'POST_FAILURE' });
  });
});

describe('tests', { timeout: DEADLINE }, () => {
  it('junit: well, unstable, and without tests', async () => {
    expect(await story.run('tests-pass')).toMatchObject({ result: 'SUCCESS' });
    const unstable = await story.run('tests-fail');
    expect(unstable).toMatchObject({ result: 'UNSTABLE', detail: '1 of 2 tests failed: c.t2' });
    expect(await unstable.manifest()).toMatchObject({
      tests: { total: 2, failed: 1, skipped: 0, health: 25, failures: [{ test: 'c.t2', message: 'no' }] },
    });
    expect(await story.run('tests-none')).toMatchObject({
      result: 'FAILURE',
      detail: 'no file matches *.xml',
    });
  });

  it('junit: an entity bomb is a sentence', async () => {
    const { result, detail } = await story.run('tests-bomb');
    expect(result).toBe('FAILURE');
    expect(detail).toContain('it defines entities');
  });

  it('xunit: so many failures, or so many more than last time', async () => {
    const cases = (count: number) =>
      Array.from({ length: count }, (_, at) => `<testcase name="${at}"><failure/></testcase>`).join('');
    const result = async (count: number) => (await story.run('thresholds', { CASES: cases(count) })).result;
    expect(await result(1)).toBe('SUCCESS');
    expect(await result(2)).toBe('UNSTABLE');
    expect(await result(5)).toBe('FAILURE');
    expect(await result(5)).toBe('UNSTABLE');
  });
});

describe.skipIf(absent !== undefined)(
  `scp${absent === undefined ? '' : ` (${absent})`}`,
  { timeout: DEADLINE },
  () => {
    it('copies files and the whole console, below the root whatever the target says', async () => {
      const ran = await story.run('copies');
      expect(ran).toMatchObject({ result: 'SUCCESS' });
      const base = `logs/run/copies/${ran.uuid.slice(0, 7)}`;
      expect(await stored(`${base}/kept/out/deep/1.txt`)).toBe('one\n');
      expect(await stored(`${base}/kept/out/2.txt`)).toBe('two\n');
      expect(await stored(`${base}/flat/1.txt`)).toBe('one\n');
      expect(await stored(`escape/0/2.txt`)).toBe('two\n');
      expect(await stored(`${base}/console.txt`)).toBe(ran.console);
      expect(ran.console).toMatch(/Finished: SUCCESS in \d+s\n$/);
      expect(await stored(`${base}/console.html`)).toContain('loud &lt;words&gt;');
    });

    it('copies after a failure only what is to be', async () => {
      const ran = await story.run('copies', { EXIT: '1' });
      expect(ran.result).toBe('FAILURE');
      const base = `logs/run/copies/${ran.uuid.slice(0, 7)}`;
      expect((await readdir(join(root, base))).sort()).toEqual(['console.html', 'console.txt']);
      expect(await stored('escape/1/2.txt')).toBe('two\n');
    });

    it('a host that is away is said, not waited for', async () => {
      const { result, detail, console } = await story.run('copies-nowhere');
      expect(result).toBe('UNSTABLE');
      expect(detail).toContain('away (127.0.0.1:9)');
      expect(console).toContain('Cannot copy files to away');
    });
  },
);

describe('postbuildscript', { timeout: DEADLINE }, () => {
  it('runs after the build, by its result, in its workspace', async () => {
    const well = await story.run('cleans-up');
    expect(well.result).toBe('SUCCESS');
    expect(await well.file('late.txt')).toBe('after success: made\n');
    const ill = await story.run('cleans-up', { EXIT: '3' });
    expect(ill.result).toBe('FAILURE');
    expect(await ill.file('late.txt')).toBe('after failure: made injected FAILURE\n');
    expect(ill.console).not.toMatch(/^after success/m);
  });

  it('a step of it that fails counts as it is told to', async () => {
    expect(await story.run('cleans-badly')).toMatchObject({
      result: 'UNSTABLE',
      detail: 'post-build step 1 ended with exit code 4',
    });
  });
});

describe('text-finder and workspace-cleanup', { timeout: DEADLINE }, () => {
  it('a find decides about the build', async () => {
    expect((await story.run('finds')).result).toBe('SUCCESS');
    expect(await story.run('finds', { WORD: 'panic' })).toMatchObject({
      result: 'UNSTABLE',
      detail: expect.stringContaining('the console') as unknown,
    });
    expect((await story.run('finds', { WORD: 'fatal' })).result).toBe('FAILURE');
    expect((await story.run('forgives')).result).toBe('SUCCESS');
  });

  it('nothing of a workspace is left', async () => {
    const { console } = await story.run('leaves');
    const workspace = /^(\/.*workspace)$/m.exec(console)?.[1] ?? '';
    expect(workspace).not.toBe('');
    await untilTrue(async () => !existsSync(workspace));
  });
});

describe('mails', { timeout: DEADLINE }, () => {
  it('email: on failure and when it is well again, not otherwise', async () => {
    await story.run('mails');
    expect(mailsTo('mails #')).toEqual([]);
    await story.run('mails', { EXIT: '1' });
    const [first] = mailsTo('mails #2');
    expect(first).toMatchObject({ from: 'ci@example.org', to: ['ops@example.org', 'dev@example.org'] });
    expect(first?.text).toContain('telling words');
    await story.run('mails');
    expect(mailsTo('mails #3')[0]?.text).toMatch(/^Subject: Jenkins build is back to normal: mails #3/m);
    await story.run('mails');
    expect(smtp.received.filter(({ text }) => text.includes('mails #'))).toHaveLength(2);
  });

  it('email-ext: moments, tokens and attachments', async () => {
    await story.run('mails-more', { EXIT: '1' });
    await story.run('mails-more', { EXIT: '1' });
    await story.run('mails-more');
    const sent = mailsTo('mails-more');
    expect(sent.map(({ text }) => /^Subject: (.*)$/m.exec(text)?.[1]?.trim())).toEqual([
      'mails-more is Failure (1)',
      'mails-more is Successful (0)',
    ]);
    expect(sent[0]?.text).toMatch(/^Reply-To: answer@example\.org/m);
    expect(sent[0]?.text).toContain('filename=note.txt');
    expect(sent[0]?.text).toContain('filename=build.log');
    expect(sent[0]?.text).toMatch(/^Log: /m);
  });
});
