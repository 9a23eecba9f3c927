import type { Machines } from './machines.ts';

/** Check tests patches as they come and mails what fails; gate tests approved ones together and has Gerrit merge them. */
export function crashLayout(project: string, job: string): string {
  return `pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger:
      gerrit:
        - event: patchset-created
        - event: comment-added
          comment: (?i)^\\s*recheck
    success:
      gerrit:
        Verified: 1
    failure:
      gerrit:
        Verified: -1
      smtp:
        to: ops@example.org
  - name: gate
    manager: DependentPipelineManager
    require:
      approval:
        - Code-Review: 2
    trigger:
      gerrit:
        - event: comment-added
          approval:
            - Code-Review: 2
    success:
      gerrit:
        Verified: 1
        submit: true
    failure:
      gerrit:
        Verified: -1

projects:
  - name: ${project}
    check:
      - ${job}
    gate:
      - ${job}
`;
}

/**
 * Each build leaves marks in a folder of its own. Every publisher that does something outside of us is used: the archive and
 * test results by all builds, mails and a step after the build by those that fail, copies where there is a host for them.
 */
export function crashJobs(marks: string, machines: Machines | undefined): string {
  const scp =
    machines?.copies === undefined
      ? ''
      : `
      - scp:
          site: ${machines.copies.site}
          files:
            - {target: 'copies/$ZUUL_UUID', copy-console: true, copy-after-failure: true}
            - {target: 'copies/$ZUUL_UUID', source: result.log}`;
  return `- job:
    name: crash-test
    node: ${machines?.label ?? 'local'}
    wrappers:
      - timeout:
          timeout: 5
      - timestamps
    builders:
      - shell: |
          #!/bin/bash -xe
          ${machines?.tell ?? tellHere(marks)}
          tell what "$ZUUL_CHANGE,$ZUUL_PATCHSET"
          git init -q .
          git fetch -q "$ZUUL_URL/$ZUUL_PROJECT" "$ZUUL_REF"
          git checkout -q FETCH_HEAD
      - shell: |
          #!/bin/bash -xe
          ${machines?.tell ?? tellHere(marks)}
          echo '<testsuite><testcase name="t"/></testsuite>' > r.xml
          case $(cat verdict) in
            hold) while sleep 0.2; do :; done ;;
            fail) tell end; exit 1 ;;
            *) echo tested > result.log; tell end ;;
          esac
    publishers:
      - archive:
          artifacts: '*.log'
          allow-empty: true
      - junit:
          results: '*.xml'
      - postbuildscript:
          builders:
            - {build-on: [FAILURE], build-steps: [{shell: 'echo x >> ${marks}/$ZUUL_UUID/after'}]}
      - email-ext:
          recipients: ops@example.org${scp}
`;
}

/** `what N,P` begins a build's folder of marks, or says that it was begun before. */
function tellHere(marks: string): string {
  return `tell() { m=${marks}/$ZUUL_UUID; if [ "$1" = what ]; then mkdir "$m" || touch "$m/again.$$"; fi; echo "$2" > "$m/$1"; }`;
}
