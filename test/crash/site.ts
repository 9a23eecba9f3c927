import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { demoLayout } from '../demo/site.ts';
import { type Gerrit, startGerrit } from '../fakes/gerrit/server.ts';
import { freePort } from '../harness/servers.ts';
import { writeSite } from '../harness/site.ts';

/**
 * The site under test: one project, one job. Each build leaves marks in a folder of its own, which the judge reads: who ran,
 * on what, how often, and whether it came to its end. What a change's file `verdict` says decides how its build goes.
 */

export const PROJECT = 'org/crash';

/** ms that anything may take, a restart included. */
const DEADLINE = 120_000;

export interface CrashServers {
  readonly databaseUrl?: string;
  readonly redisUrl?: string;
}

export interface CrashSite {
  readonly gerrit: Gerrit;
  readonly siteFile: string;
  readonly dir: string;
  /** `<uuid>/{what,again,end}` */
  readonly marks: string;
  /** ms that anything may take, a restart included; what takes longer counts as lost. */
  readonly deadline: number;
}

/** Without `servers` everything is in the process and its data directory. */
export async function makeCrashSite(
  dir: string,
  deadline = DEADLINE,
  servers: CrashServers = {},
): Promise<CrashSite> {
  await mkdir(dir, { recursive: true });
  const marks = join(dir, 'marks');
  await mkdir(marks, { recursive: true });
  await chmod(marks, 0o1777);
  const gerrit = await startGerrit({ dir: join(dir, 'gerrit') });
  gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
  gerrit.account('cora', { name: 'Cora Core', email: 'cora@example.org', groups: ['Administrators'] });
  gerrit.allow({ ref: 'refs/heads/*', permission: 'submit', group: 'Service Users' });
  // What is merged never changes the verdict, so that no two changes conflict over it.
  await gerrit.createProject(PROJECT, { files: { README: 'crash\n', verdict: 'pass' } });
  const connection = { 'reconcile-every': '2s', 'silence-limit': '5s', 'look-back': '1h', 'read-back': '2s' };
  const siteFile = await writeSite({
    dir,
    gerrit,
    layout: demoLayout(PROJECT, 'crash-test'),
    jobs: jobs(marks),
    parallel: 16,
    ...servers,
    ...(servers.databaseUrl === undefined ? {} : { listen: `127.0.0.1:${await freePort()}` }),
    connection,
  });
  return { gerrit, siteFile, dir, marks, deadline };
}

function jobs(marks: string): string {
  return `- job:
    name: crash-test
    node: local
    wrappers:
      - timeout:
          timeout: 5
      - timestamps
    builders:
      - shell: |
          mark=${marks}/$ZUUL_UUID
          mkdir "$mark" || touch "$mark/again.$$"
          echo "$ZUUL_CHANGE,$ZUUL_PATCHSET" > "$mark/what"
          git init -q .
          git fetch -q "$ZUUL_URL/$ZUUL_PROJECT" "$ZUUL_REF"
          git checkout -q FETCH_HEAD
      - shell: |
          mark=${marks}/$ZUUL_UUID
          case $(cat verdict) in
            hold) while sleep 0.2; do :; done ;;
            fail) touch "$mark/end"; exit 1 ;;
            *) echo tested > result.log; touch "$mark/end" ;;
          esac
    publishers:
      - archive:
          artifacts: '*.log'
`;
}
