import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { networkSpec } from '../../jobs/definition/network.ts';
import { joinNodes, partNodes } from '../../nodepool/group.ts';
import { type Host, type Hosts, openHosts, setOf, stateOf } from './hosts.ts';
import { labMissing } from './missing.ts';

const missing = labMissing();
if (missing !== undefined) console.log(`skipped: ${missing}`);

/** What the other walls need: `apt-get install nftables firewalld dbus`. */
const has = (command: string) =>
  ['/usr/sbin', '/usr/bin'].some((folder) => existsSync(join(folder, command)));
const soon = () => AbortSignal.timeout(50_000);
const linux = networkSpec('dvr', { driver: 'linux' });
const ovs = networkSpec('dvr', { driver: 'ovs', datapath: 'netdev' });

describe.skipIf(missing !== undefined)('a node set', () => {
  let hosts: Hosts;
  beforeAll(async () => {
    hosts = await openHosts();
  });
  afterAll(async () => {
    await hosts?.[Symbol.asyncDispose]();
  });

  async function trio(story: string): Promise<[Host, Host, Host]> {
    const [a, b, c] = await hosts.boot(`${story}-a`, `${story}-b`, `${story}-c`);
    if (a === undefined || b === undefined || c === undefined) throw new Error('three hosts');
    return [a, b, c];
  }

  async function without(...gone: Host[]): Promise<void> {
    await Promise.all(gone.map(({ name }) => hosts.lab.remove(name)));
  }

  it('is what devstack-gate reads', async () => {
    const [primary, two, three] = await trio('files');
    await primary.sh('install -d -m 700 -o zuul /home/zuul/.ssh; echo his own >/home/zuul/.ssh/id_rsa');
    await two.sh(
      'echo "203.0.113.9 elsewhere" >>/etc/hosts; printf "ssh-rsa AAAA his" >>/home/zuul/.ssh/authorized_keys',
    );
    const before = await Promise.all([primary, two, three].map(stateOf));
    const ready =
      '#!/bin/bash\nset -e\n[ "$NODEPOOL_REGION" = "Bob\'s region" ]\nsudo touch "/ready-$(cat /etc/nodepool/role)"\n';
    const set = setOf('set-files', [primary, two, three], linux, ready);
    expect(await joinNodes(set, soon())).toMatchObject({ kind: 'joined', remarks: [] });

    const address = (host: Host) => host.node.address;
    const files = (host: Host) =>
      host.sh('cd /etc/nodepool; for f in *; do echo "$f: $(tr "\\n" " " <$f)"; done');
    const of = async (host: Host) =>
      new Map(
        (await files(host)).split('\n').map((line) => [line.split(': ')[0], line.split(': ')[1]?.trim()]),
      );
    const first = await of(primary);
    expect(first.get('role')).toBe('primary');
    expect(first.get('node_private')).toBe(address(primary));
    expect(first.get('sub_nodes')).toBe(`${address(two)} ${address(three)}`);
    expect(first.get('id_rsa')).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/);
    expect(first.get('id_rsa.pub')).toMatch(/^ssh-rsa AAAA\S+$/);
    expect(first.get('uuid')).toBe('uuid-of-files-a');
    const second = await of(two);
    expect(second.get('role')).toBe('sub');
    expect(second.get('localrc')).toBe('PUBLIC_BRIDGE_MTU=1450 Q_DVR_MODE=dvr_snat');
    expect(second.get('primary_node_private')).toBe(address(primary));
    expect([...second.keys()]).not.toContain('id_rsa');
    expect([...second.keys()].map(String).sort()).toEqual([
      'id_rsa.pub',
      'inventory.yaml',
      'localrc',
      'node',
      'node_private',
      'primary_node',
      'primary_node_private',
      'provider',
      'role',
      'sub_nodes',
      'sub_nodes_private',
      'uuid',
    ]);
    expect(await primary.sh('ls /ready-*')).toBe('/ready-primary');
    expect(await three.sh('ls /ready-*; . /etc/nodepool/provider; echo "$NODEPOOL_REGION"')).toBe(
      "/ready-sub\nBob's region",
    );

    // As a job does: by name, without a question, with the set's key; the subnodes cannot.
    const login = 'sudo -u zuul ssh -o BatchMode=yes -o StrictHostKeyChecking=yes';
    expect(await primary.sh(`${login} files-b cat /proc/sys/kernel/hostname`)).toBe('files-b');
    expect(
      await primary.sh(
        `for ip in $(cat /etc/nodepool/sub_nodes_private); do ${login} $ip hostname </dev/null; done`,
      ),
    ).toBe('files-b\nfiles-c');
    await expect(two.sh(`${login} files-a true`)).rejects.toThrow('exit 255');

    expect(await partNodes(set, soon())).toEqual({ kind: 'parted' });
    await Promise.all([primary, two, three].map((host) => host.sh('rm -f /ready-*')));
    // A line without an end has one now.
    const after = await Promise.all([primary, two, three].map(stateOf));
    const text = (state: string) => state.replaceAll(/^[0-9a-f]{32} .*authorized_keys$/gm, '').trim();
    expect(after.map(text)).toEqual(before.map(text));
    expect(await two.sh('tail -n 1 /home/zuul/.ssh/authorized_keys')).toBe('ssh-rsa AAAA his');
    await without(primary, two, three);
  });

  it('is reached by its address and keeps its way out, whichever command its power fails at', async () => {
    const [primary, sub, third] = await trio('power');
    await Promise.all(
      [primary, sub].map((host) => host.sh('service openvswitch-switch start >/dev/null 2>&1')),
    );
    const before = await Promise.all([primary, sub].map(stateOf));
    const set = setOf('set-power', [primary, sub], ovs);
    // The command that changes addresses, routes or links for the nth time is the last one of its script.
    await primary.sh(
      `mkdir -p /usr/local/sbin; cat >/usr/local/sbin/ip <<'END'
#!/bin/bash
case " $* " in *" show "*) exec /sbin/ip "$@" ;; esac
/sbin/ip "$@" || exit
left=$(($(cat /left) - 1)); echo $left >/left
[ $left != 0 ] || kill -9 $PPID
END
chmod 755 /usr/local/sbin/ip`,
    );
    const diesAtEach = async (work: () => Promise<{ kind: string }>, whole: string) => {
      for (let nth = 1; ; nth++) {
        await primary.sh(`echo ${nth} >/left`);
        const { kind } = await work();
        const left = Number(await primary.sh('cat /left'));
        expect(await primary.sh('/sbin/ip -o -4 address show to 198.18.0.0/16 | wc -l')).not.toBe('0');
        expect(await primary.sh('/sbin/ip route show default')).toContain('via');
        if (left > 0) {
          expect(kind).toBe(whole);
          return nth;
        }
      }
    };
    expect(await diesAtEach(() => joinNodes(set, soon()), 'joined')).toBeGreaterThan(4);
    expect(await diesAtEach(() => partNodes(set, soon()), 'parted')).toBeGreaterThan(2);
    await primary.sh('rm /usr/local/sbin/ip');
    expect(await Promise.all([primary, sub].map(stateOf))).toEqual(before);
    await without(primary, sub, third);
  });

  it.each([
    ['Linux bridges', linux],
    ['Open vSwitch', ovs],
  ])('joined twice is joined once, and joined after a death anywhere is joined: %s', async (driver, spec) => {
    const story = driver.replaceAll(/[^a-z]/g, '');
    const members = await trio(story);
    if (spec.driver === 'ovs') {
      await Promise.all(members.map((host) => host.sh('service openvswitch-switch start >/dev/null 2>&1')));
    }
    const before = await Promise.all(members.map(stateOf));
    // An id that begins with a digit is another word to Open vSwitch.
    const set = setOf(`7-${story}`, members, spec);
    expect(await joinNodes(set, soon())).toMatchObject({ kind: 'joined' });
    const withoutKeys = async (host: Host) =>
      (await stateOf(host)).replaceAll(/^[0-9a-f]{32} .*(id_rsa|authorized_keys).*$/gm, '');
    const once = await Promise.all(members.map(withoutKeys));
    expect(await joinNodes(set, soon())).toMatchObject({ kind: 'joined' });
    expect(await Promise.all(members.map(withoutKeys))).toEqual(once);
    expect(await partNodes(set, soon())).toEqual({ kind: 'parted' });

    // Cut off at other moments each time, by us and by the power of their scripts; then whole again, and away again.
    for (const [round, wait] of [60, 180, 300, 450, 700].entries()) {
      const amid = AbortSignal.timeout(wait);
      const cut = joinNodes(setOf(`set-${story}-${round}`, members, spec), amid).catch(() => undefined);
      await sleep(wait);
      await Promise.all(
        members.map((host) =>
          host.sh('pgrep -x bash | grep -v -e "^$$\\$" -e "^1$" | xargs -r kill -9; true').catch(() => ''),
        ),
      );
      await cut;
    }
    const again = await joinNodes(set, soon());
    expect(again.kind === 'joined' ? again.remarks : again).toEqual([]);
    expect(await Promise.all(members.map(withoutKeys))).toEqual(once);
    expect(await partNodes(set, soon())).toEqual({ kind: 'parted' });
    expect(await partNodes(set, soon())).toEqual({ kind: 'parted' });
    expect(await Promise.all(members.map(stateOf))).toEqual(before);
    await without(...members);
  });

  it('is joined by the next life while scripts of a killed one still run', async () => {
    const members = await trio('lives');
    const before = await Promise.all(members.map(stateOf));
    for (const wait of [100, 200, 300, 400]) {
      const life = new AbortController();
      const one = await trio('lives');
      const cut = joinNodes(setOf('set-one', one, linux), life.signal).catch(() => undefined);
      await sleep(wait);
      // What the nodes see of a kill -9: the connection is gone without a word, and nobody calls again.
      const dropped = one.map(({ remote }) => remote.drop());
      life.abort(new Error('killed'));
      await Promise.all([...dropped, cut]);
      expect(await joinNodes(setOf('set-two', members, linux), soon())).toMatchObject({ kind: 'joined' });
    }
    expect(await partNodes(setOf('set-two', members, linux), soon())).toEqual({ kind: 'parted' });
    expect(await Promise.all(members.map(stateOf))).toEqual(before);
    await without(...members);
  });

  it('whose member dies amid joining fails with its name, and the others part', async () => {
    const members = await trio('dying');
    const set = setOf('set-dying', members, linux);
    const before = await stateOf(members[0]);
    const joining = joinNodes(set, soon());
    await sleep(150);
    await hosts.lab.kill('dying-c');
    const joined = await joining;
    if (joined.kind !== 'failed') throw new Error(joined.kind);
    expect(joined.failures.map(({ node }) => node)).toContain('dying-c');
    const parted = await partNodes(set, soon());
    if (parted.kind !== 'failed') throw new Error(parted.kind);
    expect(parted.failures.map(({ node }) => node)).toEqual(['dying-c']);
    expect(await stateOf(members[0])).toBe(before);
    await without(...members);
  });

  it('opens what a closed firewall must let pass, and names what keeps tunnels from carrying', async () => {
    const [a, b, c] = await trio('walls');
    // OpenStack's images: everything is refused but ssh, in a chain of their own.
    await Promise.all(
      [a, b, c].map((host) =>
        host.sh(`iptables -N openstack-INPUT; iptables -I INPUT 1 -j openstack-INPUT
          iptables -A openstack-INPUT -i lo -j ACCEPT
          iptables -A openstack-INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
          iptables -A openstack-INPUT -p tcp --dport 22 -j ACCEPT
          iptables -A openstack-INPUT -j REJECT --reject-with icmp-host-prohibited`),
      ),
    );
    const before = await stateOf(a);
    const set = setOf('set-walls', [a, b, c], networkSpec('nova-net', { driver: 'linux' }));
    expect(await joinNodes(set, soon())).toMatchObject({ kind: 'joined', remarks: [] });
    await a.sh(`ping -q -c 1 -W 5 ${b.node.address}; ping -q -c 1 -W 5 172.24.4.3`);

    // A cloud that drops UDP 4789, and a network that carries less than its interfaces say.
    await c.sh(
      'iptables -I INPUT 1 -p udp --dport 4789 -j DROP; iptables -I OUTPUT 1 -p udp --dport 4789 -j DROP',
    );
    expect(await joinNodes(set, soon())).toMatchObject({
      kind: 'failed',
      failures: expect.arrayContaining([
        {
          node: 'walls-a',
          reason: `br_pub: walls-c does not answer over the tunnel although ${c.node.address} answers: UDP 4789 between the nodes must be open (security groups, firewalls)`,
        },
      ]),
    });
    await c.sh(
      'iptables -D INPUT 1; iptables -D OUTPUT 1; iptables -I OUTPUT 1 -p udp --dport 4789 -m length --length 1400: -j DROP',
    );
    const short = await joinNodes(set, soon());
    expect(short).toMatchObject({ kind: 'failed' });
    expect(JSON.stringify(short)).toContain('small packets reach walls-a, packets of 1450 bytes do not');
    await c.sh('iptables -D OUTPUT 1');
    expect(await joinNodes(set, soon())).toMatchObject({ kind: 'joined' });
    expect(await partNodes(set, soon())).toEqual({ kind: 'parted' });
    expect(await stateOf(a)).toBe(before);
    await without(a, b, c);
  });

  it.skipIf(!has('nft'))(
    'opens walls of nftables, in the chains that hold, and closes them again',
    async () => {
      const members = await trio('tables');
      const shut = `rm -f /usr/sbin/iptables /usr/sbin/ip6tables; nft -f - <<'END'
table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    iif lo accept
    ct state established,related accept
    tcp dport 22 accept
  }
  chain forward { type filter hook forward priority 0; policy drop; }
}
END
nft list ruleset`;
      const before = await Promise.all(members.map((host) => host.sh(shut)));
      const [a, b] = members;
      const set = setOf('set-tables', members, networkSpec('nova-net', { driver: 'linux' }));
      expect(await joinNodes(set, soon())).toMatchObject({ kind: 'joined', remarks: [] });
      const rules = await a.sh('nft list ruleset');
      expect(rules).toContain(`ip saddr ${b.node.address} accept comment "stackgate-siblings"`);
      // Again: the same rules, once.
      expect(await joinNodes(set, soon())).toMatchObject({ kind: 'joined', remarks: [] });
      expect((await a.sh('nft list ruleset')).split('\n').length).toBe(rules.split('\n').length);
      await a.sh(`ping -q -c 1 -W 5 ${b.node.address}; ping -q -c 1 -W 5 172.24.4.3`);
      expect(await partNodes(set, soon())).toEqual({ kind: 'parted' });
      expect(await Promise.all(members.map((host) => host.sh('nft list ruleset')))).toEqual(before);
      await without(...members);
    },
  );

  it.skipIf(!has('firewalld') || !has('dbus-daemon'))(
    'is trusted by firewalld while the set lives',
    async () => {
      const members = await trio('zones');
      await Promise.all(
        members.map((host) =>
          host.sh(`mkdir -p /run/dbus; rm -f /run/dbus/*; dbus-daemon --system --fork >/dev/null 2>&1
          setsid firewalld --nofork --nopid >/run/firewalld.log 2>&1 </dev/null &
          for try in $(seq 100); do firewall-cmd --state >/dev/null 2>&1 && exit 0; sleep 0.2; done; cat /run/firewalld.log; exit 1`),
        ),
      );
      const trusted = (host: Host) => host.sh('firewall-cmd --zone=trusted --list-all');
      const [a, b] = members;
      await a.sh('firewall-cmd -q --zone=trusted --add-source=192.0.2.1');
      const before = await Promise.all(members.map(trusted));
      const set = setOf('set-zones', members, networkSpec('nova-net', { driver: 'linux' }));
      expect(await joinNodes(set, soon())).toMatchObject({ kind: 'joined', remarks: [] });
      expect(await trusted(a)).toContain(b.node.address);
      await a.sh(`ping -q -c 1 -W 5 ${b.node.address}; ping -q -c 1 -W 5 172.24.4.3`);
      expect(await partNodes(set, soon())).toEqual({ kind: 'parted' });
      expect(await Promise.all(members.map(trusted))).toEqual(before);
      await without(...members);
    },
  );

  it('without an overlay must reach each other all the same, and both ends are named when not', async () => {
    const [a, b, c] = await trio('plain');
    const set = setOf('set-plain', [a, b, c]);
    expect(await joinNodes(set, soon())).toMatchObject({ kind: 'joined', remarks: [] });
    // A cloud that drops ICMP is good enough; one that separates two nodes is not.
    await b.sh(`iptables -I OUTPUT 1 -p icmp -j DROP`);
    expect(await joinNodes(set, soon())).toMatchObject({ kind: 'joined' });
    await b.sh(`iptables -I OUTPUT 1 -d ${a.node.address} -j DROP`);
    const reason = (from: Host, to: Host) =>
      `from ${from.name} at ${from.node.address} no answer comes from ${to.name} at ${to.node.address} (ping, TCP 22): nodes of a set must reach each other (security groups, firewalls, routes between their networks)`;
    expect(await joinNodes(set, soon())).toEqual({
      kind: 'failed',
      failures: [
        { node: a.name, reason: reason(a, b) },
        { node: b.name, reason: reason(b, a) },
      ],
    });
    await without(a, b, c);
  });

  it('uses a bridge that was there before, leaves it there, and takes over from other sets and drivers', async () => {
    const [a, b, c] = await trio('older');
    await a.sh('ip link add br-ex type bridge; ip link set br-ex up; ip address add 192.0.2.1/24 dev br-ex');
    const before = await Promise.all([a, b, c].map(stateOf));
    // Never parted: the next set finds its remains.
    expect(
      await joinNodes(setOf('set-before', [b, c], networkSpec('nova-net', { driver: 'linux' })), soon()),
    ).toMatchObject({
      kind: 'joined',
    });
    const set = setOf('set-after', [a, b, c], linux);
    expect(await joinNodes(set, soon())).toMatchObject({ kind: 'joined' });
    expect(await b.sh('ls /sys/class/net')).not.toMatch(/br_pub|br_flat|vx1000129/);
    expect(await a.sh('ip -o -4 address show dev br-ex')).toMatch(/192\.0\.2\.1.*[^]*172\.24\.4\.1/);
    expect(await joinNodes(setOf('set-last', [b, c], ovs), soon())).toMatchObject({ kind: 'joined' });
    expect(await partNodes(setOf('set-last', [b, c], ovs), soon())).toEqual({ kind: 'parted' });
    expect(await partNodes(set, soon())).toEqual({ kind: 'parted' });
    expect(await Promise.all([a, b, c].map(stateOf))).toEqual(before);
    // This kernel may have no openvswitch; then that is what it says.
    const kernel = await joinNodes(setOf('set-kernel', [b, c], networkSpec('dvr')), soon());
    if (kernel.kind === 'failed') {
      expect(kernel.failures[0]?.reason).toMatch(
        /^Open vSwitch made no interface br-ex: .* use datapath netdev$/,
      );
    }
    // What is no bridge of the driver's kind is refused in words.
    await a.sh('ip link del br-ex; ip link add br-ex type veth peer name other');
    expect(await joinNodes(set, soon())).toEqual({
      kind: 'failed',
      failures: [
        {
          node: 'older-a',
          reason: "br-ex is there already and is no Linux bridge: is it Open vSwitch's? Then use driver ovs",
        },
      ],
    });
    await without(a, b, c);
  });

  it.each([
    ['Linux bridges', linux],
    ['Open vSwitch', ovs],
  ])('is joined over an IPv6 underlay: %s', async (driver, spec) => {
    const story = `six-${spec.driver}`;
    const members = await trio(story);
    await Promise.all(
      members.map((host) => host.sh(`ip address add fd53::${host.node.place}/64 dev eth0 nodad`)),
    );
    const { members: four, ...set } = setOf(`6-${story}`, members, spec);
    const six = four.map((member, index) => ({
      ...member,
      privateAddress: `fd53::${members[index]?.node.place}`,
    }));
    const joined = await joinNodes({ ...set, members: six }, soon());
    expect(joined).toMatchObject({ kind: 'joined', remarks: [], plan: { mtu: 1430 } });
    await members[1].sh('ping -q -c 1 -W 5 -M do -s 1402 172.24.4.3');
    expect(await members[0].sh('cat /etc/nodepool/sub_nodes_private')).toMatch(/^fd53::\d+\nfd53::\d+$/);
    expect(await partNodes({ ...set, members: six }, soon())).toEqual({ kind: 'parted' });
    await without(...members);
  });

  it('whose member hides its address behind NAT says so', async () => {
    const members = await trio('nat');
    const { members: given, ...set } = setOf('set-nat', members, linux);
    const hidden = given.map((member, index) =>
      index === 1 ? { ...member, privateAddress: '203.0.113.7' } : member,
    );
    expect(await joinNodes({ ...set, members: hidden }, soon())).toEqual({
      kind: 'failed',
      failures: [
        {
          node: 'nat-b',
          reason:
            'no interface of it has the address 203.0.113.7, so no tunnel can end there: its provider must tell its private address',
        },
      ],
    });
    await without(...members);
  });

  it('is refused before any node is touched', async () => {
    const [a] = await hosts.boot('refused');
    if (a === undefined) throw new Error('a host');
    const set = setOf('set-refused', [a], networkSpec('dvr-ha'));
    expect(await joinNodes(set, soon())).toEqual({
      kind: 'refused',
      reason: 'dvr-ha needs three nodes or more, and this set has 1',
    });
    expect(await joinNodes({ ...setOf('set', [a]), user: 'root; reboot' }, soon())).toMatchObject({
      kind: 'refused',
    });
    const bad = setOf('set', [a], undefined, 'echo about to; echo no mirror here >&2; exit 3');
    expect(await joinNodes(bad, soon())).toEqual({
      kind: 'failed',
      failures: [{ node: 'refused', reason: 'ready script: no mirror here' }],
    });
    const stopped = AbortSignal.abort(new Error('enough'));
    await expect(joinNodes(setOf('set', [a]), stopped)).rejects.toThrow('enough');
    await without(a);
  });
});
