import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupScript, hostLines, knownHosts, nodepoolFiles } from './groupscript.ts';
import { asRoot } from './network/script.ts';
import type { NodeSet, SetMember } from './nodeset.ts';

const key = { secret: 'PEM-OF-THE-SET\n', public: 'ssh-rsa AAAA', comment: 'stackgate:set-1' };
const remote = { run: () => Promise.reject(new Error('nobody runs anything here')) };

function member(name: string, index: number, more: Partial<SetMember> = {}): SetMember {
  return {
    name,
    role: index === 0 ? 'primary' : 'sub',
    address: `203.0.113.${index + 1}`,
    privateAddress: `10.0.0.${index + 1}`,
    uuid: `uuid-${index}`,
    provider: 'rax',
    remote,
    ...more,
  };
}

const set: NodeSet = {
  id: 'set-1',
  user: 'jenkins',
  members: [member('primary', 0), member('subnode-2', 1, { port: 2222 }), member('subnode-3', 2)],
};

const facts = new Map(
  set.members.map(({ name }, index) => [
    name,
    {
      hostname: `np000${index}`,
      mtu: 1500,
      hostKeys: ['ssh-ed25519 AAAA', 'ssh-rsa BBBB'],
      hasUnderlay: true,
      missing: [],
    },
  ]),
);

describe('/etc/nodepool', () => {
  it('has what Nodepool wrote, and private addresses fall back on public ones', () => {
    const [primary, second] = set.members;
    if (primary === undefined || second === undefined) throw new Error('members');
    const { 'inventory.yaml': inventory = '', ...files } = nodepoolFiles(
      { ...set, groups: { peers: ['subnode-2', 'subnode-3'] } },
      second,
      key,
    );
    const { all } = JSON.parse(inventory);
    expect(all.hosts['subnode-2']).toMatchObject({ ansible_host: '10.0.0.2', ansible_port: 2222 });
    expect(all.children).toEqual({
      primary: { hosts: { primary: null } },
      subnodes: { hosts: { 'subnode-2': null, 'subnode-3': null } },
      peers: { hosts: { 'subnode-2': null, 'subnode-3': null } },
    });
    expect(files).toEqual({
      role: 'sub\n',
      node: '203.0.113.2\n',
      node_private: '10.0.0.2\n',
      primary_node: '203.0.113.1\n',
      primary_node_private: '10.0.0.1\n',
      sub_nodes: '203.0.113.2\n203.0.113.3\n',
      sub_nodes_private: '10.0.0.2\n10.0.0.3\n',
      'id_rsa.pub': 'ssh-rsa AAAA\n',
      provider: 'NODEPOOL_PROVIDER=rax\nNODEPOOL_CLOUD=\nNODEPOOL_REGION=\nNODEPOOL_AZ=\n',
      uuid: 'uuid-1\n',
    });
    const bare: SetMember = {
      name: 'one',
      role: 'primary',
      address: '192.0.2.7',
      uuid: '',
      provider: 'x',
      remote,
    };
    expect(nodepoolFiles({ ...set, members: [bare] }, bare, key)).toMatchObject({
      node_private: '192.0.2.7\n',
      sub_nodes: '',
      sub_nodes_private: '',
    });
  });

  it('gives the secret to the primary alone', () => {
    const scripts = set.members.map((each) => groupScript(set, each, facts, key).join('\n'));
    expect(scripts.map((script) => script.includes('PEM-OF-THE-SET'))).toEqual([true, false, false]);
  });

  it('has a provider file that a shell reads back, whatever a cloud calls itself', () => {
    const name = fc.string({ unit: 'binary', maxLength: 30 }).filter((text) => !text.includes('\0'));
    const zones = ["Bob's zone", '$(reboot)', '`reboot`; "', '\n\n', ...fc.sample(name, 60)];
    const files = zones.map((zone) => {
      const each = member('primary', 0, { zone });
      const file = nodepoolFiles({ ...set, members: [each] }, each, key)['provider'] ?? '';
      expect(file.split('\n')).toHaveLength(5);
      return `${file}printf '%s\\0' "$NODEPOOL_AZ"\n`;
    });
    const read = execFileSync('bash', ['-c', files.join('')])
      .toString('utf8')
      .split('\0')
      .slice(0, -1);
    expect(read).toEqual(
      zones.map((zone) => Buffer.from(zone.replaceAll(/\p{Cc}+/gu, ' ')).toString('utf8')),
    );
  });
});

describe('names', () => {
  it('are those of the set and of the machines, at the private addresses', () => {
    expect(hostLines(set, facts)).toBe(
      '10.0.0.1 primary np0000\n10.0.0.2 subnode-2 np0001\n10.0.0.3 subnode-3 np0002',
    );
    expect(knownHosts(set, facts).split('\n').slice(1, 3)).toEqual([
      '10.0.0.1,203.0.113.1,primary,np0000 ssh-rsa BBBB',
      '10.0.0.2,203.0.113.2,subnode-2,np0001,[10.0.0.2]:2222,[203.0.113.2]:2222,[subnode-2]:2222,[np0001]:2222 ssh-ed25519 AAAA',
    ]);
  });
});

describe('a script', () => {
  it('that was cut off on its way does nothing', () => {
    const { input } = asRoot(['echo one', 'echo two']);
    const said = (text: string) => {
      try {
        return execFileSync('bash', ['-s'], { input: text, stdio: ['pipe', 'pipe', 'ignore'] }).toString();
      } catch {
        return 'failed';
      }
    };
    expect(said(input)).toBe('one\ntwo\n');
    for (let length = input.indexOf('echo one'); length < input.lastIndexOf('}'); length += 3) {
      expect(said(input.slice(0, length))).toBe('failed');
    }
  });
});
