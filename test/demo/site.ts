/** The demo's site: check tests a patch as it comes, gate tests approved ones together and has Gerrit merge them. */

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
        - event: comment-added
          comment: (?i)^\\s*reverify
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

/** `weather` is a folder that jobs may write to: there the test of the first approved change meets its bad luck, once. */
export function demoJobs(weather: string): string {
  return `- job:
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
          git log --oneline -3
      - shell: |
          sh -x test.sh
          if [ "$ZUUL_PIPELINE" = gate ]; then
            sleep 1
            case $ZUUL_CHANGES in
              *^*) ;;
              *) if mkdir ${weather}/hiccup 2>/dev/null; then echo "the network hiccupped"; exit 1; fi ;;
            esac
          fi
          echo "tested $ZUUL_CHANGE,$ZUUL_PATCHSET on $NODE_NAME as $(id -un)" | tee result.log
    publishers:
      - archive:
          artifacts: '*.log'
`;
}
