import { z } from 'zod';
import type { KnownAccounts } from '../pipelines/robots.ts';
import { SecretRule } from '../workers/secrets/settings.ts';

/**
 * `stackgate.yaml`: one file that says where Gerrit is, where the layout and the jobs are, and what this machine lends. The
 * schema is the reference: descriptions here are what `docs/configuration.md` prints.
 */

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30d`, `12h`, `90m`, `15s`, `500ms` → ms. */
const Duration = z
  .string()
  .regex(/^\d+(ms|s|m|h|d)$/, 'expected a duration such as 30s, 15m, 4h or 30d')
  .transform((text) => Number.parseInt(text, 10) * (UNITS[text.replace(/^\d+/, '')] ?? 1));
const Path = z.string().min(1);

const GerritKeys = z.strictObject({
  driver: z.literal('gerrit').default('gerrit').describe('A Gerrit server.'),
  host: z.string().min(1).describe('Name or address of the Gerrit server.'),
  port: z.int().min(1).max(65535).default(29418).describe('Port of its SSH server.'),
  user: z.string().min(1).describe("SSH user name of the CI's account."),
  key: Path.describe('Private key file of that account (ed25519 or RSA, readable by its owner only).'),
  'host-key': z
    .union([z.string(), z.array(z.string())])
    .describe(
      "The server's public host key: `ssh-ed25519 AAAA...`, or `SHA256:...`. `ssh-keyscan -p 29418 HOST` shows it.",
    ),
  name: z
    .string()
    .optional()
    .describe(
      "Full name of the account, as Gerrit shows it. Today's results tab shows only names that end in ` CI`.",
    ),
  url: z.string().optional().describe("Base URL of Gerrit's web pages; `https://HOST` when left out."),
  api: z
    .enum(['ssh', 'rest'])
    .default('ssh')
    .describe('What queries and reviews go over. Events and git always come over SSH.'),
  password: Path.optional().describe(
    "File with the account's HTTP password or token, readable by its owner only; `api: rest` needs it.",
  ),
  'requests-per-second': z
    .number()
    .positive()
    .default(10)
    .describe('At most so many REST requests in a second, over time.'),
  keepalive: Duration.prefault('30s').describe(
    'Interval of SSH keepalives; three lost ones end the connection.',
  ),
  'silence-limit': Duration.prefault('90s').describe(
    'A stream that answers no probe within this time is cut and opened again.',
  ),
  'reconcile-every': Duration.prefault('5m').describe(
    'How often Gerrit is asked whether events were missed.',
  ),
  'read-back': Duration.prefault('10s').describe(
    'After a review whose end is unknown: how long it may take to become visible before it is sent again.',
  ),
  robots: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'Usernames of CIs whose names do not say so: no comment of theirs starts anything by its text. Known without: full names that end in ` CI`, usernames `zuul`, `jenkins` and `*-ci`, and whoever reports results.',
    ),
  people: z
    .array(z.string().min(1))
    .default([])
    .describe('Usernames of people whose names look like those of a CI.'),
  'look-back': Duration.prefault('0s').describe(
    'On the very first start: how far back changes count as missed.',
  ),
});
export const GerritConnection = GerritKeys.refine(
  ({ api, password }) => api === 'ssh' || password !== undefined,
  { path: ['password'], message: "`api: rest` needs the file with the account's HTTP password" },
);
export type GerritConnection = z.infer<typeof GerritConnection>;

/** What a site says of accounts against their names. */
export function knownAccounts(site: Pick<Site, 'connections'>): Record<string, KnownAccounts> {
  const entries = Object.entries(site.connections).flatMap(([name, connection]) =>
    connection.driver === 'gerrit'
      ? [[name, { robots: connection.robots, people: connection.people }] as const]
      : [],
  );
  return Object.fromEntries(entries);
}

export const SmtpConnection = z.strictObject({
  driver: z.literal('smtp').describe('A mail server, for smtp reporters.'),
  server: z.string().default('localhost').describe('SMTP server.'),
  port: z.int().min(1).max(65535).default(25).describe('Its port.'),
  'default-from': z.string().default('zuul').describe('Sender of mails that name none.'),
  'default-to': z.string().default('zuul').describe('Receiver of mails that name none.'),
});
export type SmtpConnection = z.infer<typeof SmtpConnection>;

export const LocalNodes = z.strictObject({
  'max-parallel-jobs': z.int().min(1).default(2).describe('Builds at a time on this machine.'),
  labels: z
    .array(z.string())
    .default(['local', 'master'])
    .describe('Labels that jobs may ask for with `node:`.'),
  user: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe(
      'Unprivileged user that jobs run as; needed when Stackgate is started as root. A list with one for each parallel job keeps builds apart.',
    ),
  sudo: z
    .boolean()
    .default(false)
    .describe(
      'Let jobs become root with sudo, as DevStack wants it: only on machines that are rebuilt after every patch.',
    ),
  'allow-same-user': z
    .boolean()
    .default(false)
    .describe(
      "Let jobs run as Stackgate's own user. Only for machines where every patch is trusted: a patch could read the keys.",
    ),
});

export const ParameterRule = z.strictObject({
  set: z
    .record(z.string().regex(/^[A-Za-z_]\w*$/, 'expected a variable name'), z.string())
    .default({})
    .describe('Variables to set; `{NAME}` stands for a parameter the job has already.'),
  unset: z.array(z.string()).default([]).describe('Parameters to take away.'),
  node: z.string().optional().describe("Label to run on instead of the job's own (Zuul's ZUUL_NODE)."),
});

export type LocalNodes = z.infer<typeof LocalNodes>;

const Listen = z.string().regex(/^\S*:\d+$/, 'expected HOST:PORT');
const RoleDoor = z.strictObject({
  listen: Listen.default('127.0.0.1:0').describe('Where this role shows its health and metrics.'),
});
const WorkerDoor = z.strictObject({
  listen: Listen.default('127.0.0.1:0').describe(
    'Where a worker shows its health and metrics, and what it merged, to git.',
  ),
  url: z.string().optional().describe('Base URL of that for other machines. `http://LISTEN/` when left out.'),
});

export const ScpSite = z.strictObject({
  host: z.string().min(1).describe('Name or address of the host.'),
  port: z.int().min(1).max(65535).default(22).describe('Port of its SSH server.'),
  user: z.string().min(1).describe('User to log in as.'),
  key: Path.describe('Private key file, readable by its owner only.'),
  'host-key': z
    .union([z.string(), z.array(z.string())])
    .describe('Its public host key: `ssh-ed25519 AAAA...`, or `SHA256:...`.'),
  root: z.string().startsWith('/', 'expected an absolute path').describe('Folder below which targets lie.'),
});

export const Site = z.strictObject({
  data: Path.default('data').describe('Data directory: database, repositories, workspaces, logs.'),
  listen: Listen.default('127.0.0.1:8001').describe('Where the web server listens. Port 0 takes a free one.'),
  url: z
    .string()
    .optional()
    .describe('Public base URL: what links in review comments begin with. `http://LISTEN/` when left out.'),
  repository: z
    .strictObject({
      url: z
        .string()
        .min(1)
        .describe('Where git fetches it from: `ssh://`, `https://`, `git@HOST:PATH` or a path.'),
      branch: z
        .string()
        .regex(/^[\w][\w./-]*$/, 'expected the name of a branch')
        .optional()
        .describe('The branch to follow; the default one when left out.'),
      every: Duration.prefault('1m').describe('How often it is looked for new commits.'),
      key: Path.optional().describe('Private key for ssh. The host must be in `known_hosts`.'),
    })
    .optional()
    .describe(
      'The data repository: `layout`, `jobs`, `jjb.include-path` and `nodes.nodepool` are paths in it, and every new commit that is valid takes effect.',
    ),
  layout: Path.default('layout.yaml').describe(
    "Zuul v2's layout file ([layout.md](layout.md)): pipelines, projects, jobs' rules.",
  ),
  jobs: z
    .union([Path, z.array(Path)])
    .default('jobs')
    .describe('Jenkins Job Builder files, or directories of them.'),
  unsupported: z
    .enum(['error', 'ignore'])
    .default('error')
    .describe('What to do with builders and publishers that are not supported.'),
  'slave-scripts': Path.optional().describe(
    'A directory of scripts that jobs call at `/usr/local/jenkins/slave_scripts`: laid on the node beside every build.',
  ),
  'scp-sites': z
    .record(z.string(), ScpSite)
    .default({})
    .describe('Hosts that jobs copy files to, by the `site:` of their scp publishers.'),
  plugins: Path.optional().describe(
    "A JavaScript module with builders and publishers of the site's own (docs/jobs.md). It runs with Stackgate's rights.",
  ),
  jjb: z
    .strictObject({
      compat: z
        .union([z.literal(2), z.literal(6)])
        .default(2)
        .describe('Whose rules job files follow: 2 for Jenkins Job Builder 2 to 4, 6 for 5 and 6.'),
      'include-path': z
        .union([Path, z.array(Path)])
        .default([])
        .describe('Where `!include:` and its kind look first; then beside the file, then here.'),
      'allow-duplicates': z
        .boolean()
        .default(false)
        .describe('A second definition of a name replaces the first with a warning.'),
      'allow-empty-variables': z.boolean().default(false).describe('A missing parameter is the empty text.'),
      'keep-descriptions': z.boolean().default(false).describe('Jobs without a description get none.'),
      'retain-anchors': z
        .boolean()
        .default(false)
        .describe('YAML anchors of one file are known in the files after it.'),
    })
    .prefault({})
    .describe('What `jenkins_jobs.ini` says in its section `[job_builder]`.'),
  dialect: z
    .enum(['stackgate', 'zuul-2.6'])
    .default('stackgate')
    .describe(
      '`zuul-2.6` refuses every key that Zuul 2.6 did not know; [layout.md](layout.md) says what Stackgate adds.',
    ),
  'parameter-functions': z
    .record(z.string(), ParameterRule)
    .default({})
    .describe(
      'What a `parameter-function` of the layout does to the parameters of a job, by name; Python is not run.',
    ),
  connections: z
    .record(z.string(), z.union([SmtpConnection, GerritConnection]))
    .describe('Gerrit and mail servers by name. Layouts speak of `gerrit` and `smtp`.'),
  nodes: z
    .strictObject({
      nodepool: Path.optional().describe('File of labels, node sets and providers (docs/nodepool.md).'),
      local: LocalNodes.optional().describe(
        'This machine as a node. Left out beside `nodepool`: it runs no builds; otherwise it does, as below.',
      ),
    })
    .prefault({})
    .describe('Machines that builds run on.'),
  secrets: z
    .record(z.string().regex(/^[A-Za-z0-9][\w.-]*$/, 'expected a name such as log-server-key'), SecretRule)
    .default({})
    .describe(
      'Secrets by the name jobs use. They are kept outside the configuration and given to named jobs in named pipelines only.',
    ),
  'secret-store': z
    .strictObject({
      file: Path.optional().describe(
        'The encrypted file; `secrets.sealed` in the data directory when left out.',
      ),
      key: Path.default('~/.config/stackgate/secret.key').describe(
        'What opens it: a file of its own, kept elsewhere, readable by its owner only.',
      ),
    })
    .prefault({})
    .describe('Where secrets with `store: true` lie.'),
  database: z
    .strictObject({
      url: z
        .string()
        .describe(
          'PostgreSQL, `postgres://...`. Left out: a database inside the process, in the data directory.',
        ),
    })
    .optional(),
  redis: z
    .strictObject({
      url: z
        .string()
        .describe(
          'Redis or Valkey, `redis://...`, `rediss://...` or the path of a socket: work queues and running logs. Left out: the database does it.',
        ),
    })
    .optional(),
  roles: z
    .strictObject({
      scheduler: RoleDoor.prefault({}),
      worker: WorkerDoor.prefault({}),
      launcher: RoleDoor.prefault({}),
      'lost-after': Duration.prefault('15s').describe(
        'A process that says nothing for so long is taken for dead: what it had in hand goes to another one. At least 1s.',
      ),
    })
    .prefault({})
    .describe('Processes of one role each (docs/scaling.md). `stackgate start` needs none of it.'),
  tokens: z
    .record(
      z.string().regex(/^[A-Za-z][\w.@-]{0,63}$/, 'expected a name of letters, digits, dots, dashes and @'),
      z.string().regex(/^[0-9a-f]{64}$/, 'expected the sha256 of a token, as `stackgate token` prints it'),
    )
    .default({})
    .describe(
      'Who may act beside the operator: name → sha256 of the token. `stackgate token NAME` makes one; the ledger keeps the name with what was asked.',
    ),
  logs: z
    .strictObject({
      keep: Duration.prefault('30d').describe('How long finished logs stay. OpenStack asks for a month.'),
      'max-console': z
        .int()
        .min(1)
        .default(1024)
        .describe('MiB of console a build may write before it is ended.'),
    })
    .prefault({}),
});
export type Site = z.infer<typeof Site>;
