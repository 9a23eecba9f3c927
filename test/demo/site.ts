/** The demo's site: one check pipeline, one job that runs the project's own test on the merged change. */

export function demoLayout(project: string, job = 'demo-test'): string {
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

projects:
  - name: ${project}
    check:
      - ${job}
`;
}

export const demoJobs = `- job:
    name: demo-test
    node: local
    wrappers:
      - timeout:
          timeout: 5
          fail: true
      - timestamps
    builders:
      - shell: |
          git init --quiet .
          git fetch --quiet "$ZUUL_URL/$ZUUL_PROJECT" "$ZUUL_REF"
          git checkout --quiet FETCH_HEAD
          git log --oneline -2
      - shell: |
          sh -x test.sh
          echo "tested $ZUUL_CHANGE,$ZUUL_PATCHSET on $NODE_NAME as $(id -un)" | tee result.log
    publishers:
      - archive:
          artifacts: '*.log'
`;
