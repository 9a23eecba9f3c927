import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { Filed, HistoryRow, LedgerEntry, SiteConfig } from '../../pipelines/ports.ts';
import type { BuildView, RunView, ZuulStatus } from '../../server/contract.ts';
import type { LiveBuild, Probe, ServerPorts, TokenRule } from '../../server/ports.ts';

/** The house behind the door, for its tests: plain values that a test sets and looks at. */
export interface TestHouse {
  /** What was sealed, by request. */
  readonly sealed: Map<string, Readonly<Record<string, string>>>;
  status: ZuulStatus;
  /** How often the status was asked for. */
  asked: number;
  clock: number;
  live: LiveBuild[];
  past: HistoryRow[];
  items: HistoryRow[];
  reports: HistoryRow[];
  ledger: LedgerEntry[];
  filed: Filed[];
  runs: Map<string, RunView>;
  tokens: TokenRule[];
  probes: Record<string, Probe>;
  /** Thrown by every read of the ledger. */
  broken: Error | undefined;
  logs: string;
  web: string;
  follow: ServerPorts['logs']['follow'];
  grace: number;
  git: ServerPorts['git'];
  look: ServerPorts['look'];
  ports(): ServerPorts;
}

export function house(): TestHouse {
  const config: Pick<SiteConfig, 'jobs' | 'digest'> & { layout: unknown } = {
    digest: 'd',
    jobs: { unit: {} },
    layout: { pipelines: [{ name: 'check' }, { name: 'gate' }], projects: { 'org/p': {} } },
  };
  const test: TestHouse = {
    status: statusOf([]),
    asked: 0,
    clock: 1_700_000_000_000,
    live: [],
    past: [],
    items: [],
    reports: [],
    ledger: [],
    filed: [],
    runs: new Map(),
    tokens: [{ name: 'ann', sha256: createHash('sha256').update('sesame').digest('hex') }],
    sealed: new Map<string, Readonly<Record<string, string>>>(),
    probes: { database: () => Promise.resolve({ ok: true, detail: 'PGlite' }) },
    broken: undefined,
    logs: '/nonexistent',
    web: '/nonexistent',
    git: undefined,
    grace: 15_000,
    look: ({ number }) => Promise.resolve({ kind: 'absent', reason: `Gerrit knows no change ${number}` }),
    follow: (folder, offset) => createReadStream(join(folder, 'console.txt'), { start: offset }),
    ports: (): ServerPorts => ({
      version: '0.0.0',
      now: () => test.clock,
      status: () => {
        test.asked += 1;
        return test.status;
      },
      revision: () => test.status,
      live: () => test.live,
      web: test.web,
      run: (id) => Promise.resolve(test.runs.get(id)),
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only these parts of a configuration are looked at
      config: () => config as unknown as SiteConfig,
      look: (of, signal) => test.look(of, signal),
      seal: (request, params) => {
        test.sealed.set(request, params);
        return Promise.resolve();
      },
      estimate: () => 60_000,
      sweeps: () => Promise.resolve([]),
      problems: () => ({ at: 1, taken: true, problems: [] }),
      file: (facts) => {
        const known = new Set(test.filed.map(({ key }) => key));
        const added = facts.filter(({ key }) => !known.has(key));
        test.filed.push(...added);
        return Promise.resolve(added.length);
      },
      probes: test.probes,
      tokens: test.tokens,
      metrics: {
        contentType: 'text/plain; version=0.0.4',
        metrics: () => Promise.resolve('stackgate_test 1\n'),
      },
      logs: {
        root: test.logs,
        get grace() {
          return test.grace;
        },
        follow: (folder, offset, signal) => test.follow(folder, offset, signal),
      },
      ...(test.git === undefined ? {} : { git: test.git }),
      history: {
        builds: (query) => {
          const found = test.past
            .filter((row) => query.before === undefined || row.at < query.before)
            .filter((row) => matches(row, query.job, 'job') && matches(row, query.result, 'result'))
            .toSorted((a, b) => b.at - a.at || (a.key < b.key ? 1 : -1));
          return Promise.resolve(query.change === undefined ? found.slice(0, query.limit) : []);
        },
        build: (uuid) => {
          const rows = test.past.filter((row) => row.key.startsWith(uuid));
          const [row] = rows;
          if (row === undefined) return Promise.resolve({ kind: 'absent' });
          if (rows.length > 1)
            return Promise.resolve({ kind: 'ambiguous', uuids: rows.map(({ key }) => key) });
          return Promise.resolve({ kind: 'found', row });
        },
        ledger: (query) => {
          if (test.broken !== undefined) return Promise.reject(test.broken);
          const found = test.ledger.filter((entry) => query.before === undefined || entry.seq < query.before);
          return Promise.resolve(found.toReversed().slice(0, query.limit));
        },
        items: () => Promise.resolve(test.items),
        reports: () => Promise.resolve(test.reports),
        tally: () => Promise.resolve({ filed: 0, used: 0, aside: 0, waiting: 0 }),
      },
    }),
  };
  return test;
}

function matches(row: HistoryRow, wanted: string | undefined, name: string): boolean {
  const { value } = row;
  if (wanted === undefined) return true;
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.entries(value).some(([k, v]) => k === name && v === wanted)
  );
}

export function liveBuild(uuid: string, patch: Partial<BuildView> = {}): LiveBuild {
  const build: BuildView = {
    uuid,
    job: 'unit',
    pipeline: 'check',
    project: 'org/p',
    change: '7,1',
    ref: null,
    voting: true,
    result: null,
    detail: null,
    state: 'running',
    node: 'local-1',
    queuedAt: 1,
    startedAt: 2,
    finishedAt: null,
    url: '/logs/07/7/1/check/unit/abcdef0/',
    ...patch,
  };
  return { build, logPath: `07/7/1/check/unit/${uuid.slice(0, 7)}` };
}

export function pastBuild(n: number, at: number, patch: Record<string, unknown> = {}): HistoryRow {
  const uuid = String(n).padStart(32, '0');
  const logPath = `07/7/1/check/lint/${uuid.slice(0, 7)}`;
  const value = {
    uuid,
    job: 'lint',
    pipeline: 'check',
    project: 'org/p',
    change: '7,1',
    result: 'SUCCESS',
    logPath,
  };
  return { table: 'build', key: uuid, at, value: { ...value, voting: true, finishedAt: at, ...patch } };
}

interface ItemSketch {
  readonly id: string;
  readonly project?: string;
  readonly url?: string;
  readonly failing_reasons?: string[];
  readonly job?: string;
  readonly jobUrl?: string;
}

export function statusOf(items: readonly ItemSketch[], pipeline = 'check'): ZuulStatus {
  const head = items.map(({ id, project = 'org/p', url = 'https://review.example.org/7', ...more }) => ({
    id,
    project,
    url,
    live: true,
    active: true,
    failing_reasons: more.failing_reasons ?? [],
    enqueue_time: 1,
    remaining_time: null,
    jobs: [
      {
        name: more.job ?? 'unit',
        voting: true,
        result: null,
        url: more.jobUrl ?? null,
        uuid: null,
        start_time: 1,
        elapsed_time: 61_000,
        remaining_time: null,
      },
    ],
  }));
  const queue = { name: 'org/p', window: 0, heads: [head] };
  return {
    zuul_version: '2.6.0',
    last_reconfigured: 1,
    pipelines: [{ name: pipeline, description: pipeline, change_queues: [queue] }],
  };
}
