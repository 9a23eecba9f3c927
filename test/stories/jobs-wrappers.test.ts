import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEADLINE, type JobStory, startJobs } from '../harness/jobs.ts';

/** What wraps a job: limits, times, colours, secrets. */

/** `@{` stands for what would be a placeholder here. */
const jobs = String.raw`
- job: {name: too-long, wrappers: [{timeout: {timeout: 0.02, timeout-var: BUILD_TIMEOUT}}], builders: [{shell: 'echo "limit $BUILD_TIMEOUT"; sleep 60'}]}
- job: {name: too-quiet, wrappers: [{timeout: {type: no-activity, timeout: 0.03}}], builders: [{shell: 'for i in 1 2 3 4; do echo $i; sleep 1; done; sleep 60'}]}
- job: {name: elastic, wrappers: [{timeout: {type: elastic, elastic-percentage: 200, elastic-default-timeout: 30, timeout-var: LIMIT}}], builders: [{shell: 'echo "limit $LIMIT"'}]}
- job: {name: stuck, wrappers: [{timeout: {type: likely-stuck, timeout-var: LIMIT}}], builders: [{shell: 'echo "limit $LIMIT"'}]}
- job: {name: stamped, wrappers: [timestamps], builders: [{shell: 'echo one; echo two'}]}
- job: {name: coloured, wrappers: [{ansicolor: {colormap: xterm}}], builders: [{shell: 'printf "\033[31mred\033[0m \033[2Jgone\n"'}]}
- job: {name: injected, wrappers: [{inject: {properties-content: "PLAIN=yes\nMADE=$WORKSPACE/x"}}], builders: [{shell: 'echo "$PLAIN @{MADE##*/}"; test "$MADE" = "$WORKSPACE/x"'}]}
- job:
    name: secretive
    wrappers:
      - timestamps
      - credentials-binding:
          - text: {credential-id: api-token, variable: TOKEN}
          - username-password-separated: {credential-id: registry, username: REG_USER, password: REG_PASSWORD}
          - file: {credential-id: kubeconfig, variable: KUBECONFIG}
    builders:
      - shell: |
          #!/bin/bash
          echo "token $TOKEN and @{TOKEN:0:6}"; printf '%s' "@{TOKEN:0:9}"; sleep 0.4; echo "@{TOKEN:9}"
          echo "user $REG_USER password $REG_PASSWORD length @{#REG_PASSWORD}"
          cat "$KUBECONFIG"; stat -c '%a' "$KUBECONFIG"; wc -c <"$KUBECONFIG"
          { head -c 65530 /dev/zero | tr '\0' x; echo; echo "key: $TOKEN"; } > leak.log
    publishers: [{archive: {artifacts: leak.log}}]
- job: {name: not-bound, wrappers: [{credentials-binding: [{text: {credential-id: gate-token, variable: TOKEN}}]}], builders: [{shell: 'echo never'}]}
- job: {name: with-agent, wrappers: [{ssh-agent-credentials: {users: [deploy-key]}}], builders: [{shell: 'ssh-add -L; ls "$STACKGATE_AGENT_KEY_0" || echo key file is gone'}]}
- job: {name: password, parameters: [{password: {name: PW, default: standard-geheim}}], builders: [{shell: 'echo "pw $PW"'}]}
- job: {name: choosing, node: 'nowhere', parameters: [{label: {name: NODE, default: 'local || other'}}, {choice: {name: C, choices: [first, second]}}, {bool: {name: B, default: true}}], builders: [{shell: 'echo "$NODE $C $B on $NODE_LABELS"'}]}
`.replaceAll('@{', '${');

const token = 'sup3r-s3cret-t0ken';
const password = 'p4ss:w0rd-of-registry';
const kube = 'clusters:\n- certificate-authority-data: QUJDREVGRw==\n';

let story: JobStory;
let secrets = '';
let publicKey = '';
beforeAll(async () => {
  secrets = await mkdtemp(join(tmpdir(), 'stackgate-secrets-'));
  const put = (name: string, content: string) => writeFile(join(secrets, name), content, { mode: 0o600 });
  await put('token', `${token}\n`);
  await put('registry', `robot:${password}\n`);
  await put('kube', kube);
  execFileSync('ssh-keygen', [
    '-q',
    '-t',
    'ed25519',
    '-N',
    '',
    '-C',
    'deploy',
    '-f',
    join(secrets, 'deploy'),
  ]);
  publicKey =
    execFileSync('ssh-keygen', ['-y', '-f', join(secrets, 'deploy')], { encoding: 'utf8' }).split(' ')[1] ??
    '';
  const rule = (name: string, file: string, job: string, as: string, pipeline = 'run') =>
    `  ${name}: {file: ${join(secrets, file)}, as: ${as}, jobs: [${job}], pipelines: [${pipeline}]}`;
  const site = [
    'secrets:',
    rule('api-token', 'token', 'secretive', 'text'),
    rule('gate-token', 'token', 'not-bound', 'text', 'gate'),
    rule('registry', 'registry', 'secretive', 'text'),
    rule('kubeconfig', 'kube', 'secretive', 'file'),
    rule('deploy-key', 'deploy', 'with-agent', 'file'),
  ].join('\n');
  story = await startJobs(jobs, { site });
}, DEADLINE);
afterAll(async () => {
  await story?.[Symbol.asyncDispose]();
  await rm(secrets, { recursive: true, force: true });
}, DEADLINE);

describe('timeout', { timeout: DEADLINE }, () => {
  it('absolute, and its variable in ms', async () => {
    const { result, detail, console } = await story.run('too-long');
    expect(result).toBe('TIMED_OUT');
    expect(detail).toContain('timed out after 1s');
    expect(console).toContain('limit 1200\n');
  });

  it('no-activity: a build that talks goes on, one that falls silent ends', async () => {
    const { result, detail, console } = await story.run('too-quiet');
    expect(result).toBe('TIMED_OUT');
    expect(detail).toContain('without output');
    expect(console).toMatch(/^4$/m);
  });

  it('elastic and likely-stuck follow the last builds', async () => {
    expect((await story.run('elastic')).console).toContain('limit 1800000\n');
    // Twice a moment is less than the least limit, a minute.
    expect((await story.run('elastic')).console).toContain('limit 60000\n');
    expect((await story.run('stuck')).console).toContain('limit 86400000\n');
    expect((await story.run('stuck')).console).toContain('limit 60000\n');
  });
});

describe('the console', { timeout: DEADLINE }, () => {
  it('timestamps: a time before each line', async () => {
    const { console } = await story.run('stamped');
    expect(console).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| one$/m);
  });

  it('ansicolor: colours stay, what would drive a terminal does not', async () => {
    const { console } = await story.run('coloured');
    expect(console).toContain('\u001b[31mred\u001b[0m');
    expect(console).not.toContain('\u001b[2J');
  });
});

describe('variables', { timeout: DEADLINE }, () => {
  it('inject around a build: plain ones, and ones that only the node can make', async () => {
    expect(await story.run('injected')).toMatchObject({
      result: 'SUCCESS',
      console: expect.stringMatching(/^yes x$/m) as unknown,
    });
  });

  it('parameters: defaults, what a person gives, and the node they name', async () => {
    expect((await story.run('choosing')).console).toMatch(/local \|\| other first true on local/);
    expect((await story.run('choosing', { C: 'second', B: 'false' })).console).toContain(
      'other second false',
    );
  });
});

describe('secrets', { timeout: DEADLINE }, () => {
  it('are there for the job and nowhere to be seen, in console and artifacts, however they are cut', async () => {
    const ran = await story.run('secretive');
    expect({ result: ran.result, console: ran.console }).toMatchObject({ result: 'SUCCESS' });
    const leak = (await ran.file('leak.log')) ?? '';
    const manifest = JSON.stringify(await ran.manifest());
    for (const text of [ran.console, leak, manifest]) {
      expect(text).not.toContain(token);
      expect(text).not.toContain(password);
      expect(text).not.toContain('certificate-authority-data');
    }
    expect(ran.console).toContain('token **** and sup3r-');
    expect(ran.console).toMatch(/\| \*\*\*\*$/m);
    expect(ran.console).toContain(`user robot password **** length ${password.length}`);
    expect(ran.console).toContain('400\n');
    expect(ran.console).toContain(`${kube.length}\n`);
    expect(leak).toContain('key: ****\n');
  });

  it('are not for a pipeline they are not bound to', async () => {
    const { result, detail, console } = await story.run('not-bound');
    expect(result).toBe('FAILURE');
    expect(detail).toBe('the site has no secret "gate-token" for job not-bound in pipeline run');
    expect(console).not.toMatch(/^never$/m);
  });

  it('an agent has the key, the node does not', async () => {
    const { result, console } = await story.run('with-agent');
    expect({ result, console }).toMatchObject({ result: 'SUCCESS' });
    expect(console).toContain(publicKey);
    expect(console).toContain('key file is gone');
  });

  it('password parameters are hidden, given or not', async () => {
    expect((await story.run('password')).console).toContain('pw ****');
    const given = await story.run('password', { PW: 'von-hand-geheim' });
    expect(given.console).toContain('pw ****');
    expect(JSON.stringify(await given.manifest())).not.toContain('geheim');
    expect(given.console).not.toContain('geheim');
  });
});
