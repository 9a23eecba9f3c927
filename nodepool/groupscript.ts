import type { NodeFacts } from './network/facts.ts';
import { closeFirewall, openFirewall } from './network/firewall.ts';
import { call, saidNo } from './network/script.ts';
import type { NodeSet, SetMember } from './nodeset.ts';
import { quoted } from './remote.ts';

/** What a node of a set must be told, as files and as scripts that put them there and take them away. */

export interface GroupKey {
  /** PEM. */
  readonly secret: string;
  /** `ssh-rsa AAAA...` */
  readonly public: string;
  /** Tells it from other keys in authorized_keys. */
  readonly comment: string;
}

/**
 * /etc/nodepool, as Nodepool wrote it and devstack-gate reads it. Every value ends with a newline. The secret key is on the
 * primary alone, readable by the job's user: elsewhere the ready scripts of OpenStack's CI deleted it.
 */
export function nodepoolFiles(set: NodeSet, member: SetMember, key: GroupKey): Record<string, string> {
  const primary = set.members.filter(({ role }) => role === 'primary');
  const subs = set.members.filter(({ role }) => role === 'sub');
  const lines = (values: readonly string[]) => values.map((value) => `${value}\n`).join('');
  const address = (of: SetMember) => of.address;
  return {
    role: lines([member.role]),
    node: lines([address(member)]),
    node_private: lines([privateOf(member)]),
    primary_node: lines(primary.map(address)),
    primary_node_private: lines(primary.map(privateOf)),
    sub_nodes: lines(subs.map(address)),
    sub_nodes_private: lines(subs.map(privateOf)),
    'id_rsa.pub': lines([key.public]),
    provider: lines([
      `NODEPOOL_PROVIDER=${oneLine(member.provider)}`,
      `NODEPOOL_CLOUD=${oneLine(member.cloud ?? '')}`,
      `NODEPOOL_REGION=${oneLine(member.region ?? '')}`,
      `NODEPOOL_AZ=${oneLine(member.zone ?? '')}`,
    ]),
    uuid: lines([member.uuid]),
    'inventory.yaml': `${JSON.stringify(inventory(set), null, 2)}\n`,
  };
}

/**
 * What Zuul 3 gives its playbooks: hosts by their names in the set with what they are told of their node, and groups; `primary` and
 * `subnodes` as devstack-gate has them. JSON, which is YAML.
 */
function inventory({ members, groups = {}, user }: NodeSet): object {
  const hosts = members.map((member) => {
    const { name, address, port = 22, provider, cloud, region, zone } = member;
    const nodepool = {
      public_ipv4: address,
      private_ipv4: privateOf(member),
      provider,
      cloud,
      region,
      az: zone,
    };
    return [name, { ansible_host: privateOf(member), ansible_port: port, ansible_user: user, nodepool }];
  });
  const of = (role: SetMember['role']) =>
    members.filter((each) => each.role === role).map(({ name }) => name);
  const all = { primary: of('primary'), subnodes: of('sub'), ...groups };
  const children = Object.entries(all).map(([name, names]) => [
    name,
    { hosts: Object.fromEntries(names.map((each) => [each, null])) },
  ]);
  return { all: { hosts: Object.fromEntries(hosts), children: Object.fromEntries(children) } };
}

const fileNames = [
  'role',
  'node',
  'node_private',
  'primary_node',
  'primary_node_private',
  'sub_nodes',
  'sub_nodes_private',
  'id_rsa',
  'id_rsa.pub',
  'localrc',
  'provider',
  'uuid',
  'inventory.yaml',
];

/** `10.0.0.12 subnode-2 np0000000012` */
export function hostLines(set: NodeSet, facts: ReadonlyMap<string, NodeFacts>): string {
  return set.members
    .map((member) =>
      [privateOf(member), ...unique([member.name, facts.get(member.name)?.hostname])].join(' '),
    )
    .join('\n');
}

/** Every name and address of every node, with every key of it. */
export function knownHosts(set: NodeSet, facts: ReadonlyMap<string, NodeFacts>): string {
  const lines = set.members.flatMap((member) => {
    const of = facts.get(member.name);
    const names = unique([privateOf(member), member.address, member.name, of?.hostname]);
    const port = member.port ?? 22;
    const doors = port === 22 ? names : [...names, ...names.map((name) => `[${name}]:${port}`)];
    return (of?.hostKeys ?? []).map((key) => `${doors.join(',')} ${key}`);
  });
  return lines.join('\n');
}

export function groupScript(
  set: NodeSet,
  member: SetMember,
  facts: ReadonlyMap<string, NodeFacts>,
  key: GroupKey,
): string[] {
  const primary = member.role === 'primary';
  const siblings = set.members.filter(({ name }) => name !== member.name);
  const openings = siblings
    .flatMap((sibling) => unique([sibling.address, privateOf(sibling)]))
    .map((from) => ({ kind: 'sibling' as const, from }));
  const files = Object.entries(nodepoolFiles(set, member, key));
  return [
    groupFunctions,
    call('of_user', set.user),
    call('must install -d -m 755', '/etc/nodepool'),
    ...files.map(([name, content]) => call('put', `/etc/nodepool/${name}`, 444, 'root', content)),
    primary
      ? `${call('put', '/etc/nodepool/id_rsa', 400)} "$user" ${quoted(key.secret)}`
      : 'rm -f /etc/nodepool/id_rsa',
    primary ? call('take_key', key.secret) : 'give_key',
    call('let_in', `${key.public} ${key.comment}`),
    call('block', '/etc/hosts', hostLines(set, facts)),
    call('block', '/etc/ssh/ssh_known_hosts', knownHosts(set, facts)),
    ...openFirewall('siblings', openings),
  ];
}

export function partScript(set: NodeSet): string[] {
  return [
    groupFunctions,
    call('of_user', set.user),
    call('rm -f', ...fileNames.map((name) => `/etc/nodepool/${name}`)),
    'rmdir /etc/nodepool 2>/dev/null',
    'give_key',
    call('let_in', ''),
    call('block', '/etc/hosts', ''),
    call('block', '/etc/ssh/ssh_known_hosts', ''),
    ...closeFirewall('siblings'),
  ];
}

/** Runs what comes on stdin, under its `#!` line or bash, as Nodepool ran its ready scripts. Says why it failed, at most. */
export const readyScript = String.raw`
file=$(mktemp) && log=$(mktemp) || exit
trap 'rm -f "$file" "$log"' EXIT
cat >"$file" && chmod 700 "$file" || exit
set -a
. /etc/nodepool/provider
set +a
case $(head -c 2 "$file") in
  '#!') "$file" ;;
  *) bash "$file" ;;
esac >"$log" 2>&1 </dev/null
code=$?
[ "$code" = 0 ] || tail -n 20 "$log" >&2
exit "$code"
`.trim();

/** Values are words of one line, whatever a cloud calls itself; a shell reads them. */
function oneLine(text: string): string {
  const word = quoted(text.replaceAll(/\p{Cc}+/gu, ' '));
  return word === "''" ? '' : word;
}

function privateOf(member: SetMember): string {
  return member.privateAddress ?? member.address;
}

function unique(names: readonly (string | undefined)[]): string[] {
  return [...new Set(names.filter((name) => name !== undefined))];
}

const groupFunctions = String.raw`
# of_user NAME
of_user() {
  user=$1
  home=$(getent passwd "$user" | cut -d: -f6)
  [ "$home" ] || fail "there is no user $user"
  [ -d "$home" ] || fail "the home of $user, $home, is not there"
  [ -d "$home/.ssh" ] || must install -d -m 700 -o "$user" -g "$(id -g "$user")" "$home/.ssh"
}

# take_key SECRET: a key that the user had before is kept beside it. The mark comes before our key and goes after it.
take_key() {
  local key=$home/.ssh/id_rsa
  if [ ! -e "$key.stackgate" ]; then
    [ ! -e "$key" ] || must mv "$key" "$key.kept"
    : >"$key.stackgate"
  fi
  (umask 077 && printf '%s' "$1" >"$key.new") && chown "$user:" "$key.new" && chmod 600 "$key.new" &&
    mv -f "$key.new" "$key" || fail "cannot write $key"
}

give_key() {
  local key=$home/.ssh/id_rsa
  [ -e "$key.stackgate" ] || return 0
  rm -f "$key" "$key.new"
  [ ! -e "$key.kept" ] || must mv "$key.kept" "$key"
  rm -f "$key.stackgate"
}

# rewrite FILE: with what is on stdin, keeping owner and mode. A file that cannot be replaced (a bind mount) is written over.
rewrite() {
  cat >"$1.stackgate" && chown --reference="$1" "$1.stackgate" && chmod --reference="$1" "$1.stackgate" ||
    fail "cannot write $1"
  mv -f "$1.stackgate" "$1" 2>/dev/null || { cat "$1.stackgate" >"$1" && rm -f "$1.stackgate"; } || fail "cannot write $1"
}

# let_in LINE: the set's key, or none, in place of the one of any set before.
let_in() {
  local file=$home/.ssh/authorized_keys
  [ -e "$file" ] || put "$file" 600 "$user:" ''
  { grep -v ' stackgate:[A-Za-z0-9._-]*$' "$file"; [ -z "$1" ] || printf '%s\n' "$1"; } | rewrite "$file" || exit ${saidNo}
  [ -s "$file" ] || rm -f "$file"
}

# block FILE LINES: our lines in it, or none.
block() {
  [ -e "$1" ] || [ -z "$2" ] || put "$1" 644 root ''
  [ -e "$1" ] || return 0
  {
    awk '/^# stackgate begin$/ { ours = 1 } !ours; /^# stackgate end$/ { ours = 0 }' "$1"
    [ -z "$2" ] || printf '# stackgate begin\n%s\n# stackgate end\n' "$2"
  } | rewrite "$1" || exit ${saidNo}
  [ -s "$1" ] || rm -f "$1"
}
`.trim();
