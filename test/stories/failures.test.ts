import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BuildDetail, BuildPage } from '../../server/contract.ts';
import { type Story, startStory } from '../harness/inprocess.ts';
import { CI_USER } from '../harness/site.ts';

/** A developer got a -1 and wants to know, in a minute, whose fault it is. */

const PROJECT = 'org/demo';
const DEADLINE = 120_000;

const layout = `pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger: {gerrit: [{event: patchset-created}]}
    success: {gerrit: {Verified: 1}}
    failure: {gerrit: {Verified: -1}}
jobs:
  - {name: unstable, voting: false}
projects:
  - name: ${PROJECT}
    check: [tempest, devstack, slow, no-machine, unstable]
`;
const jobs = String.raw`
- job:
    name: tempest
    wrappers: [timestamps]
    builders:
      - shell: |
          #!/bin/bash
          echo "running tempest"
          for n in $(seq 1 60); do echo "{0} tempest.api.volume.test_volumes.VolumesTest.test_$n [0.$n""s] ... ok"; done
          cat <<'X'
          {1} tempest.api.volume.test_volumes_snapshots.VolumesSnapshotTestJSON.test_snapshot_create [12.345s] ... FAILED
          
          Captured traceback:
          ~~~~~~~~~~~~~~~~~~~
              Traceback (most recent call last):
                File "tempest/api/volume/test_volumes_snapshots.py", line 55, in test_snapshot_create
                  waiters.wait_for_volume_resource_status(self.client, vol, 'available')
              tempest.lib.exceptions.VolumeResourceBuildErrorException: volume 1234 failed to build and is in ERROR status
          X
          for n in $(seq 61 160); do echo "{0} tempest.api.volume.test_volumes.VolumesTest.test_$n [0.$n""s] ... ok"; done
          cat <<'X'
          ======
          Totals
          ======
          Ran: 161 tests in 134.0000 sec.
           - Passed: 160
           - Skipped: 0
           - Expected Fail: 0
           - Unexpected Success: 0
           - Failed: 1
          Sum of execute time for each test: 400.1 sec.

          ==============
          Worker Balance
          ==============
           - Worker 0 (80 tests) => 0:02:14.0
           - Worker 1 (81 tests) => 0:02:13.0
          X
          exit 1
      - shell: 'echo never'
    publishers:
      - postbuildscript:
          builders: [{shell: 'for n in $(seq 1 80); do echo "collecting log $n"; done; mkdir -p logs; echo x > logs/c-vol.txt'}]
          script-only-if-succeeded: false
          script-only-if-failed: false
      - archive: {artifacts: 'logs/**', allow-empty: true}
- job:
    name: devstack
    wrappers: [timestamps]
    builders:
      - shell: |
          #!/bin/bash -x
          echo "2016-01-01 10:00:00.000 | + lib/keystone:start_keystone:1: curl http://127.0.0.1"
          echo "2016-01-01 10:00:01.000 | [ERROR] /opt/stack/new/devstack/functions-common:600 g-api did not start"
          echo "Error on exit"
          for n in $(seq 1 50); do echo "2016-01-01 10:00:01.$n | World dumping... see /opt/stack/logs/worlddump-$n.txt for details"; done
          exit 1
- job: {name: slow, wrappers: [{timeout: {timeout: 0.05}}], builders: [{shell: 'echo start; sleep 100'}]}
- job: {name: no-machine, node: nowhere, builders: [{shell: 'true'}]}
- job: {name: unstable, builders: [{shell: 'echo "<testsuite><testcase classname=\"tempest.a\" name=\"test_one\"><failure message=\"AssertionError: 200 != 503\">long</failure></testcase><testcase name=\"y\"/></testsuite>" > r.xml'}], publishers: [{junit: {results: r.xml}}]}
`;

let story: Story;
let comment = '';
beforeAll(async () => {
  story = await startStory({ layout, jobs }, async (gerrit) => {
    gerrit.account('ann', { name: 'Ann', email: 'ann@example.org' });
    await gerrit.createProject(PROJECT);
  });
  const { number } = await story.gerrit.push(PROJECT, { user: 'ann', files: { a: '1' } });
  const reviews = () => story.gerrit.reviews({ user: CI_USER, change: number });
  await story.gerrit.waitFor(() => reviews().length === 1, DEADLINE);
  comment = reviews()[0]?.message ?? '';
}, 2 * DEADLINE);
afterAll(async () => {
  await story?.[Symbol.asyncDispose]();
}, DEADLINE);

async function detail(job: string): Promise<BuildDetail> {
  const { builds } = await story.client.get(`/api/v1/builds?job=${job}`, BuildPage);
  return await story.client.get(`/api/v1/builds/${builds[0]?.uuid ?? ''}`, BuildDetail);
}

describe('a developer who got a -1', { timeout: DEADLINE }, () => {
  it('reads in the comment why, and what is not about the change', () => {
    const [jobLines = '', reasons = ''] = comment.split('\n\n').slice(1);
    for (const line of jobLines.split('\n')) expect(line).toMatch(/^- \S+ http:\S+ : [A-Z_]+/);
    expect(reasons.split('\n')).toEqual([
      'tempest: step 1: echo "running tempest" ended with exit code 1',
      'devstack: the script ended with exit code 1',
      'slow: timed out after 3s',
      expect.stringMatching(
        /^no-machine: there was no machine for it \(.*"nowhere".*Not the change's fault\.$/,
      ),
      'unstable: 1 of 2 tests failed: tempest.a.test_one',
    ]);
  });

  it('sees the failed test and the end of its step, however many logs were collected after it', async () => {
    const { blame, excerpt } = await detail('tempest');
    expect(blame?.who).toBe('change');
    expect(excerpt?.step?.name).toBe('echo "running tempest"');
    expect(excerpt?.lines.at(-1)).toMatch(/Ended: step 1/);
    expect(excerpt?.telling).toMatchObject([
      { kind: 'test', text: expect.stringContaining('test_snapshot_create [12.345s] ... FAILED') as unknown },
    ]);
  });

  it('sees that DevStack did not come up, which may not be the change', async () => {
    const { blame } = await detail('devstack');
    expect(blame).toMatchObject({ who: 'unclear' });
    expect(blame?.text).toContain('functions-common:600 g-api did not start');
  });

  it('gets from a job that never ran to the page that says why', async () => {
    const link = /^- no-machine (\S+) : NODE_FAILURE$/m.exec(comment)?.[1] ?? '';
    const { uuid, blame } = await detail('no-machine');
    expect(new URL(link).pathname).toBe(`/build/${uuid}`);
    expect(blame?.who).toBe('ci');
  });
});
