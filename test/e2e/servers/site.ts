import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readMarks } from '../../crash/marks.ts';
import { type Gerrit, startGerrit } from '../../fakes/gerrit/server.ts';
import { type Instance, type StartOptions, startInstance } from '../../harness/instance.ts';
import {
  eventually,
  freePort,
  startPostgres,
  startRedis,
  type TestPostgres,
  type TestRedis,
} from '../../harness/servers.ts';
import { CI_USER, writeSite } from '../../harness/site.ts';

/** A simulated Gerrit, real servers, and as many processes of Stackgate as a test starts. */
export interface ServersSite extends AsyncDisposable {
  readonly gerrit: Gerrit;
  readonly redis: TestRedis;
  readonly postgres: TestPostgres;
  readonly databaseUrl: string;
  readonly siteFile: string;
  readonly dir: string;
  /** Starts a process of this role (all roles: `start`); it ends with the site. */
  start(role?: string, options?: StartOptions & { readonly siteFile?: string }): Promise<Instance>;
  /** The site file of another machine: the same site, a data directory of its own. */
  elsewhere(): Promise<string>;
  /** Pushes a change: its build waits until `go`, then passes or fails. */
  push(verdict: 'pass' | 'fail' | 'wait'): Promise<number>;
  /** Waits until a build of the change's first patchset runs. */
  running(change: number): Promise<void>;
  /** Lets the builds that wait go on. */
  go(): Promise<void>;
  /** Waits for the CI's one review and answers its vote. */
  vote(change: number): Promise<number>;
  /** Waits for this from a process; rejects with what it wrote. */
  until<T>(of: Instance, work: () => T | Promise<T>): Promise<T>;
  /** How often builds of the change ran, once each or not. */
  runs(change: number): readonly number[];
}

const PROJECT = 'org/served';
const PATIENCE = 110_000;

const layout = `pipelines:
  - name: check
    manager: IndependentPipelineManager
    trigger: {gerrit: [{event: patchset-created}]}
    success: {gerrit: {Verified: 1}}
    failure: {gerrit: {Verified: -1}}
projects:
  - name: ${PROJECT}
    check: [served-test]
`;

const jobs = (marks: string) => `- job:
    name: served-test
    node: local
    wrappers:
      - timeout:
          timeout: 5
    builders:
      - shell: |
          mark=${marks}/builds/$ZUUL_UUID
          mkdir "$mark" || touch "$mark/again.$$"
          echo "$ZUUL_CHANGE,$ZUUL_PATCHSET" > "$mark/what"
          git init -q .
          git fetch -q "$ZUUL_URL/$ZUUL_PROJECT" "$ZUUL_REF"
          git checkout -q FETCH_HEAD
          n=0
          while [ "$(cat verdict)" = wait ] && [ ! -e ${marks}/go ]; do n=$((n + 1)); echo "line $n"; sleep 0.1; done
          touch "$mark/end"
          [ "$(cat verdict)" != fail ]
`;

export async function startSite(options: { readonly redis: boolean }): Promise<ServersSite> {
  const dir = await mkdtemp(join(tmpdir(), 'stackgate-servers-'));
  await chmod(dir, 0o711);
  const marks = join(dir, 'marks');
  const builds = join(marks, 'builds');
  await mkdir(builds, { recursive: true });
  await chmod(builds, 0o1777);
  const [gerrit, postgres, redis] = await Promise.all([
    startGerrit({ dir: join(dir, 'gerrit') }),
    startPostgres(),
    startRedis(),
  ]);
  gerrit.account('ann', { name: 'Ann Developer', email: 'ann@example.org' });
  await gerrit.createProject(PROJECT, { files: { README: 'served\n' } });
  const databaseUrl = await postgres.database();
  const siteFile = await writeSite({
    dir,
    gerrit,
    layout,
    jobs: jobs(marks),
    listen: `127.0.0.1:${await freePort()}`,
    databaseUrl,
    redisUrl: options.redis ? redis.url : undefined,
    connection: { 'reconcile-every': '5s', 'silence-limit': '10s', 'look-back': '1h' },
  });
  const started: Instance[] = [];
  const builtFor = (change: number) => readMarks(builds).filter((mark) => mark.what === `${change},1`);
  return {
    gerrit,
    redis,
    postgres,
    databaseUrl,
    siteFile,
    dir,
    async start(role = 'start', more = {}) {
      const instance = await startInstance(more.siteFile ?? siteFile, { role, deadline: PATIENCE, ...more });
      started.push(instance);
      return instance;
    },
    async elsewhere() {
      const other = join(dir, 'elsewhere.yaml');
      const text = await readFile(siteFile, 'utf8');
      await writeFile(other, text.replace(/^data: .*$/m, 'data: elsewhere'));
      return other;
    },
    push: async (verdict) => (await gerrit.push(PROJECT, { user: 'ann', files: { verdict } })).number,
    running: (change) => gerrit.waitFor(() => builtFor(change).length > 0, PATIENCE).then(() => undefined),
    go: () => writeFile(join(marks, 'go'), ''),
    async vote(change) {
      await gerrit
        .waitFor(() => gerrit.reviews({ user: CI_USER, change }).length > 0, PATIENCE)
        .catch(() => {
          const said = started.map((one) => `--- ${one.pid}\n${one.output().slice(-6_000)}`).join('\n');
          throw new Error(`no vote on ${change}\n${said}`);
        });
      const reviews = gerrit.reviews({ user: CI_USER, change });
      if (reviews.length !== 1) throw new Error(`${reviews.length} reviews of ${change}`);
      return gerrit.voteOf(change, 'Verified', CI_USER);
    },
    until: (of, work) =>
      eventually(work, PATIENCE).catch((caught: unknown) => {
        throw new Error(`${String(caught)}\n${of.output().slice(-8_000)}`, { cause: caught });
      }),
    runs: (change) => builtFor(change).map(({ runs }) => runs),
    async [Symbol.asyncDispose]() {
      await writeFile(join(marks, 'go'), '');
      await eventually(async () => {
        for (const one of started) await one.kill('SIGKILL');
      });
      await gerrit[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
      await postgres[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
