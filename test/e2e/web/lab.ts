import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Gerrit, startGerrit } from '../../fakes/gerrit/server.ts';
import { type Instance, startInstance } from '../../harness/instance.ts';
import { writeSite } from '../../harness/site.ts';

/** A real Stackgate (from `dist/`) beside a simulated Gerrit, with pipelines worth looking at. */
export interface Lab extends AsyncDisposable {
  readonly gerrit: Gerrit;
  readonly stackgate: Instance;
  readonly dir: string;
  /** What a change of `org/demo` does when it is tested; a build that holds goes on when it is let go. */
  push(verdict: Verdict, options?: PushOptions): Promise<number>;
  letGo(): Promise<void>;
}

export type Verdict = 'pass' | 'fail' | 'hold' | 'hostile' | 'long';

export interface PushOptions {
  readonly project?: string;
  readonly message?: string;
  readonly branch?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly parents?: readonly number[];
}

export const PROJECT = 'org/demo';
export const DRIVER = 'org/driver';

const layout = `pipelines:
  - name: check
    description: Tests every patch by itself, as soon as it is there.
    manager: IndependentPipelineManager
    trigger:
      gerrit:
        - event: patchset-created
        - event: comment-added
          comment: (?i)^\\s*recheck
    success: {gerrit: {Verified: 1}}
    failure: {gerrit: {Verified: -1}}
  - name: gate
    description: Tests approved changes on top of each other, and submits them in order.
    manager: DependentPipelineManager
    trigger:
      gerrit:
        - event: comment-added
          approval: [{Code-Review: 2}]
    success: {gerrit: {Verified: 1, submit: true}}
    failure: {gerrit: {Verified: -1}}
  - name: experimental
    description: On demand only.
    manager: IndependentPipelineManager
    trigger:
      gerrit:
        - event: comment-added
          comment: (?i)^\\s*check experimental
    success: {gerrit: {}}
    failure: {gerrit: {}}

jobs:
  - name: demo-docs
    voting: false

projects:
  - name: ${PROJECT}
    check: [demo-unit, demo-tempest, demo-docs]
    gate: [demo-unit, demo-tempest]
    experimental: [demo-tempest]
  - name: ${DRIVER}
    check: [demo-unit]
    gate: [demo-unit]
`;

/** Jobs do what the change's file \`verdict\` says. */
const jobs = (letGo: string) => `- job:
    name: demo-unit
    description: Unit tests of the change, merged onto its branch.
    node: local
    wrappers: [timeout: {timeout: 10}, timestamps]
    parameters:
      - string: {name: TEST_REGEX, default: '.*', description: Which tests to run}
    builders:
      - shell: |
          git init -q . && git fetch -q "$ZUUL_URL/$ZUUL_PROJECT" "$ZUUL_REF" && git checkout -q FETCH_HEAD
          git log --oneline -1
      - shell: |
          echo "tests that match $TEST_REGEX"
          for n in $(seq 1 40); do printf '\\033[32mok\\033[0m %d - test_case_%d\\n' "$n" "$n"; done
          case "$(cat verdict)" in
            hold) until test -e ${letGo}; do echo "still here"; sleep 0.2; done ;;
            fail) printf '\\033[31mnot ok\\033[0m 41 - test_attach_volume\\n    AssertionError: 200 != 503\\n'; exit 1 ;;
            hostile) cat hostile ;;
            long) seq -f 'line %g of a very long console that scrolls' 1 1000000 ;;
          esac
      - shell: |
          mkdir -p results && echo done > results/summary.log
    publishers:
      - archive: {artifacts: 'results/**', allow-empty: true}
- job:
    name: demo-tempest
    description: Deploys the change and runs tempest's smoke tests.
    node: local
    wrappers: [timeout: {timeout: 10}, timestamps]
    builders:
      - shell: 'for n in 1 2 3; do echo "deploying $n"; sleep 0.1; done'
- job:
    name: demo-docs
    description: Builds the documentation.
    node: local
    builders:
      - shell: 'echo no docs; exit 1'
`;

export async function startLab(): Promise<Lab> {
  const dir = await mkdtemp(join(tmpdir(), 'stackgate-web-'));
  const gerrit = await startGerrit({ dir: join(dir, 'gerrit') });
  gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
  gerrit.account('core', { name: 'Cora Core', email: 'cora@example.org', groups: ['Administrators'] });
  for (const project of [PROJECT, DRIVER])
    await gerrit.createProject(project, { branches: ['stable/2026.2'] });
  const letGo = join(dir, 'let-go');
  const siteFile = await writeSite({ dir, gerrit, layout, jobs: jobs(letGo), parallel: 4 });
  const stackgate = await startInstance(siteFile, { deadline: 90_000 });
  return {
    gerrit,
    stackgate,
    dir,
    async push(verdict, options = {}) {
      const { project = PROJECT, message = `Make it ${verdict}`, files = {}, branch } = options;
      const { number } = await gerrit.push(project, {
        user: 'ann',
        commitMessage: message,
        files: { verdict, ...files },
        ...(branch === undefined ? {} : { branch }),
      });
      return number;
    },
    letGo: () => writeFile(letGo, ''),
    async [Symbol.asyncDispose]() {
      await stackgate.kill('SIGTERM');
      await gerrit[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
