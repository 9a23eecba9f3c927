import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Accepted, BuildPage } from '../../server/contract.ts';
import { DEADLINE, type JobStory, ranOf, startJobs, untilTrue } from '../harness/jobs.ts';

/** What each builder does, on a real ring with real processes. */

const jobs = String.raw`
- builder:
    name: say
    builders:
      - shell: 'echo said {what}'
- job:
    name: plain
    builders:
      - shell: |
          #!/usr/bin/env bash
          echo "bash $BASH_VERSINFO in $WORKSPACE"
          echo "$JOB_NAME $BUILD_NUMBER $NODE_NAME $BUILD_CAUSE $CI"
      - shell: 'echo "with -xe"; false; echo never'
- job:
    name: pythonic
    builders:
      - shell: 'mkdir bin; printf "#!/bin/sh\nexec python3 \"\$@\"\n" > bin/python; chmod +x bin/python'
      - inject: {properties-content: 'PATH=$WORKSPACE/bin:$PATH'}
      - python: |
          import os
          print('python', sum(range(5)), os.environ['JOB_NAME'])
- job:
    name: injecting
    builders:
      - shell: 'printf "VERSION=1.2.3\nNEXT=later\n" > build.properties'
      - inject:
          properties-file: build.properties
          properties-content: |
            LABEL=v$VERSION-$BUILD_NUMBER
      - shell: 'echo "injected $VERSION $NEXT $LABEL"'
- job:
    name: deciding
    parameters:
      - string: {name: BRANCH, default: master}
    builders:
      - conditional-step:
          condition-kind: regex-match
          regex: stable/.*
          label: $BRANCH
          steps:
            - say: {what: stable}
            - conditional-step:
                condition-kind: file-exists
                condition-filename: none
                steps: [{shell: echo said inner}]
            - shell: 'echo said last'
      - shell: 'echo after'
- job:
    name: undecided
    builders:
      - conditional-step: {condition-kind: num-comp, lhs: a, rhs: '1', steps: [{shell: echo never}]}
- job:
    name: producer
    parameters: [{string: {name: WORD, default: none}}]
    builders:
      - shell: 'mkdir -p out/deep; echo "made $WORD" > out/deep/made.txt; echo other > out/other.log; cp /bin/true out/binary'
    publishers: [{archive: {artifacts: 'out/**'}}]
- job:
    name: parent
    builders:
      - inject: {properties-content: 'WORD=fresh'}
      - trigger-builds:
          - project: producer
            predefined-parameters: |
              WORD=$WORD-$BUILD_NUMBER
            block: true
      - shell: 'echo "child was $TRIGGERED_BUILD_RESULT_producer"'
      - copyartifact: {project: producer, filter: 'out/**', target: got, result-var-suffix: P}
      - shell: 'cat got/out/deep/made.txt; cmp got/out/binary /bin/true && echo same; echo "number $COPYARTIFACT_BUILD_NUMBER_P"; ls got/out'
- job:
    name: flat
    builders:
      - copyartifact: {project: producer, filter: '**/*.txt', flatten: true}
      - shell: 'ls'
- job:
    name: optional
    builders:
      - copyartifact: {project: nobody-ran-this, optional: true}
      - shell: 'echo went on'
- job: {name: endless, builders: [{shell: 'while sleep 0.1; do :; done'}]}
- job: {name: waits-for-endless, builders: [{trigger-builds: [{project: endless, block: true}]}]}
- job: {name: nobody-ran-this, builders: [{shell: 'true'}]}
- job: {name: missing, builders: [{copyartifact: {project: nobody-ran-this}}, {shell: echo never}]}
- job: {name: wobbly, builders: [{shell: 'echo "<testsuite><testcase name=\"x\"><failure/></testcase></testsuite>" > r.xml'}], publishers: [{junit: {results: r.xml}}]}
- job: {name: broken, builders: [{shell: 'false'}]}
- job:
    name: maps-unstable
    builders:
      - trigger-builds: [{project: wobbly, block: true}]
      - conditional-step: {condition-kind: current-status, condition-worst: UNSTABLE, condition-best: UNSTABLE, steps: [{shell: echo it wobbles}]}
- job:
    name: maps-failure
    builders:
      - trigger-builds: [{project: broken, block: true, block-thresholds: {build-step-failure-threshold: never}}]
      - shell: 'echo goes on'
- job:
    name: stops
    builders:
      - trigger-builds: [{project: broken, block: true}]
      - shell: 'echo never'
- job: {name: fires, builders: [{trigger-builds: [{project: marked, current-parameters: true}]}, {shell: echo did not wait}]}
- job: {name: marked, parameters: [{string: {name: MARK, default: unmarked}}], builders: [{shell: 'echo "mark $MARK of $UPSTREAM_JOB $BUILD_CAUSE"'}]}
`;

let story: JobStory;
beforeAll(async () => {
  story = await startJobs(jobs);
}, DEADLINE);
afterAll(async () => {
  await story?.[Symbol.asyncDispose]();
}, DEADLINE);

describe('builders', { timeout: DEADLINE }, () => {
  it('shell: its own interpreter, else sh -xe', async () => {
    const { result, console } = await story.run('plain');
    expect(result).toBe('FAILURE');
    expect(console).toMatch(/bash [45] in \/.*workspace/);
    expect(console).toMatch(/plain \d+ local MANUALTRIGGER true/);
    expect(console).toContain('+ echo with -xe\nwith -xe\n+ false\n');
    expect(console).not.toMatch(/^never$/m);
  });

  it('python, found by a PATH that a step injected', async () => {
    const { result, console } = await story.run('pythonic');
    expect({ result, console }).toMatchObject({ result: 'SUCCESS' });
    expect(console).toContain('python 10 pythonic');
  });

  it('inject: a file, then a text made of it', async () => {
    expect((await story.run('injecting')).console).toMatch(/injected 1\.2\.3 later v1\.2\.3-\d+\n/);
  });

  it('conditional-step: what is not met is left out, macros and conditions inside too', async () => {
    const master = await story.run('deciding');
    expect(master.result).toBe('SUCCESS');
    expect(master.console).toMatch(/The condition is not met/);
    expect(master.console).not.toMatch(/^said/m);
    expect(master.console).toMatch(/^after$/m);
    const stable = await story.run('deciding', { BRANCH: 'stable/x' });
    expect(stable.console.match(/^said .*$/gm)).toEqual(['said stable', 'said last']);
  });

  it('conditional-step: a condition that cannot be told fails the build', async () => {
    const { result, console } = await story.run('undecided');
    expect(result).toBe('FAILURE');
    expect(console).toContain('a and 1 are not both numbers');
  });

  it('trigger-builds waits for another job, copyartifact takes what it made', async () => {
    const { result, console } = await story.run('parent');
    expect({ result, console }).toMatchObject({ result: 'SUCCESS' });
    expect(console).toMatch(/producer: SUCCESS http/);
    expect(console).toContain('child was SUCCESS\n');
    expect(console).toMatch(/Copied 3 artifacts of producer #\d+/);
    expect(console).toMatch(/made fresh-\d+\n/);
    expect(console).toContain('same\n');
    expect(console).toMatch(/number \d+\n/);
    expect((await story.run('flat')).console).toMatch(/^made\.txt$/m);
  });

  it('copyartifact: nothing to copy fails the build unless it is optional', async () => {
    expect((await story.run('optional')).console).toMatch(/No artifacts copied[\s\S]*went on/);
    const { result, console } = await story.run('missing');
    expect(result).toBe('FAILURE');
    expect(console).toContain('has no build that is last-successful');
    expect(console).not.toMatch(/^never$/m);
  });

  it('trigger-builds: results of the other job by thresholds', async () => {
    const unstable = await story.run('maps-unstable');
    expect(unstable.result).toBe('UNSTABLE');
    expect(unstable.console).toMatch(/^it wobbles$/m);
    const failure = await story.run('maps-failure');
    expect(failure.result).toBe('FAILURE');
    expect(failure.console).toMatch(/^goes on$/m);
    const stopped = await story.run('stops');
    expect(stopped.result).toBe('FAILURE');
    expect(stopped.console).not.toMatch(/^never$/m);
  });

  it('trigger-builds: what is stopped takes along what it triggered', async () => {
    const live = async (job: string, state: string) => {
      const { builds } = await story.client.get(`/api/v1/builds?job=${job}`, BuildPage);
      return builds.find((build) => build.state === state);
    };
    const key = `run-${randomUUID()}`;
    await story.client.post('/api/v1/run', { job: 'waits-for-endless' }, Accepted, key);
    const parent = await untilTrue(async () => await live('waits-for-endless', 'running'));
    await untilTrue(async () => await live('endless', 'running'));
    await story.client.post(`/api/v1/builds/${parent.uuid}/cancel`, {}, Accepted);
    const child = await untilTrue(async () => await live('endless', 'canceled'));
    expect(child).toMatchObject({ result: 'CANCELED', detail: 'upstream' });
  });

  it('trigger-builds without waiting hands parameters on', async () => {
    const { result, uuid } = await story.run('fires', { MARK: 'blue' });
    expect(result).toBe('SUCCESS');
    const child = await ranOf(story.client, `build-${uuid}-1-0`);
    expect(child.console).toContain('mark blue of fires UPSTREAMTRIGGER');
  });
});
