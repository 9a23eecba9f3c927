import type { Row, Setting } from './row.ts';

/** What the settings of old installations mean here: `vars.sh` of os-ext-testing, `zuul.conf` of Zuul v2. */

/** Settings of the new site file, by their path in it. */
export type Facts = ReadonlyMap<string, { readonly value: string; readonly from: Setting }>;

/** The path in `stackgate.yaml` that a setting becomes. Later ones win, so `zuul.conf` is read after `vars.sh`. */
const MAPPED: Readonly<Record<string, string>> = {
  UPSTREAM_GERRIT_SERVER: 'gerrit.host',
  UPSTREAM_GERRIT_HOST: 'gerrit.host',
  UPSTREAM_GERRIT_SSH_PORT: 'gerrit.port',
  UPSTREAM_GERRIT_PORT: 'gerrit.port',
  UPSTREAM_GERRIT_USER: 'gerrit.user',
  UPSTREAM_GERRIT_SSH_KEY_PATH: 'gerrit.key',
  UPSTREAM_GERRIT_HOST_PUBLIC_KEY: 'gerrit.host-key',
  UPSTREAM_GERRIT_HOST_PUB_KEY: 'gerrit.host-key',
  UPSTREAM_GERRIT_BASEURL: 'gerrit.url',
  SMTP_HOST: 'smtp.server',
  'gerrit.server': 'gerrit.host',
  'gerrit.port': 'gerrit.port',
  'gerrit.user': 'gerrit.user',
  'gerrit.sshkey': 'gerrit.key',
  'gerrit.baseurl': 'gerrit.url',
  'smtp.server': 'smtp.server',
  'smtp.port': 'smtp.port',
  'smtp.default_from': 'smtp.default-from',
  'smtp.default_to': 'smtp.default-to',
};

const NO_JENKINS = 'there is no Jenkins: Stackgate runs the jobs itself';
const NO_MYSQL = 'the database is inside the process, or the PostgreSQL of `database.url`';
const OWN_MERGES = 'merges are made and served by Stackgate itself';
const OWN_LOGS = 'Stackgate keeps the logs and serves them; `url:` says under which address';
const ONE_PROCESS = 'it belongs to a process there is none of';
const IGNORED: Readonly<Record<string, string>> = {
  JENKINS_SSH_KEY_PATH: 'nodes are reached with the `private-key` of nodepool.yaml',
  JENKINS_SSH_PUBLIC_KEY_NO_WHITESPACE: 'the public key belongs on the nodes',
  JENKINS_SSH_PUBLIC_KEY: 'the public key belongs on the nodes',
  GIT_EMAIL: OWN_MERGES,
  GIT_NAME: OWN_MERGES,
  PUBLISH_HOST: OWN_LOGS,
  'zuul.layout_config': 'the layout was found by itself',
  'zuul.pidfile': ONE_PROCESS,
  'zuul.state_dir': 'state is in the data directory',
  'zuul.log_config': 'the log goes to standard output',
  'zuul.job_name_in_report': 'job names are always in reports',
  'zuul.status_expiry': 'the status is always fresh',
};
/** By how a name begins. */
const IGNORED_FAMILIES: readonly (readonly [string, string])[] = [
  ['MYSQL_', NO_MYSQL],
  ['JENKINS_', NO_JENKINS],
  ['ZMQ_', NO_JENKINS],
  ['gearman.', NO_JENKINS],
  ['gearman_server.', ONE_PROCESS],
  ['merger.', OWN_MERGES],
  ['webapp.', 'the web server is that of `listen:`'],
  ['launcher.', NO_JENKINS],
  ['swift.', OWN_LOGS],
];
const UNSUPPORTED: Readonly<Record<string, string>> = {
  URL_PATTERN: 'links in reports begin with `url:`; set it to the address people reach this machine by',
  'zuul.url_pattern':
    'links in reports begin with `url:`; set it to the address people reach this machine by',
  'zuul.status_url': 'links in reports begin with `url:`; set it to the address people reach this machine by',
};

export function mapSettings(settings: readonly Setting[]): { facts: Facts; rows: Row[] } {
  const facts = new Map<string, { value: string; from: Setting }>();
  for (const setting of settings) {
    const path = pathOf(setting);
    if (path !== undefined) facts.set(path, { value: setting.value, from: setting });
  }
  const rows = settings.map((setting): Row => {
    const { name, value, at } = setting;
    const path = pathOf(setting);
    const taken = path === undefined ? undefined : facts.get(path);
    if (taken === undefined) return { what: name, at, ...verdictOf(canonical(name)) };
    if (taken.value === value) return { outcome: 'mapped', what: name, why: `connections.${path}`, at };
    const { file, line } = taken.from.at;
    return { outcome: 'ignored', what: name, why: `${file}:${line} says otherwise, and wins`, at };
  });
  return { facts, rows };
}

function pathOf({ name, value }: Setting): string | undefined {
  return value.trim() === '' ? undefined : lookUp(MAPPED, canonical(name));
}

function verdictOf(name: string): Pick<Row, 'outcome' | 'why'> {
  if (lookUp(MAPPED, name) !== undefined) return { outcome: 'ignored', why: 'it is empty' };
  const family = IGNORED_FAMILIES.find(([start]) => name.startsWith(start))?.[1];
  const ignored = lookUp(IGNORED, name) ?? family;
  if (ignored !== undefined) return { outcome: 'ignored', why: ignored };
  if (name.startsWith('PROVIDER_'))
    return { outcome: 'unsupported', why: 'clouds are described in nodepool.yaml and clouds.yaml' };
  const unsupported = lookUp(UNSUPPORTED, name);
  return { outcome: 'unsupported', why: unsupported ?? 'nothing here is known by this name' };
}

/** Zuul 2.5 has `[connection gerrit]` where 2.0 had `[gerrit]`. */
function canonical(name: string): string {
  return name.replace(/^connection (gerrit|smtp)\./, '$1.');
}

function lookUp<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
