import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Hosts, openHosts } from './hosts.ts';
import { findLab, openLab, sweepLabs } from './lab.ts';
import { marked } from './marks.ts';
import { labMissing } from './missing.ts';

const missing = labMissing();
if (missing !== undefined) console.log(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('a lab node', () => {
  let hosts: Hosts;
  beforeAll(async () => {
    hosts = await openHosts();
  });
  afterAll(async () => {
    await hosts?.[Symbol.asyncDispose]();
  });

  it('is a host of its own', async () => {
    const began = performance.now();
    const [one, two] = await hosts.boot('one', 'two');
    console.log(`two hosts up and found in ${Math.round(performance.now() - began)} ms`);
    if (one === undefined || two === undefined) throw new Error('two hosts');
    const identity =
      'hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id /etc/ssh/ssh_host_ed25519_key.pub';
    const ones = (await one.sh(identity)).split('\n');
    const twos = (await two.sh(identity)).split('\n');
    expect([ones[0], twos[0]]).toEqual(['one', 'two']);
    const here = [
      await readFile('/etc/machine-id', 'utf8').catch(() => ''),
      await readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ].map((line) => line.trim());
    expect(new Set([...ones, ...twos, ...here]).size).toBe(10);

    // What one writes, nobody else sees; nor its processes.
    await one.sh('echo mine >/etc/mine; echo mine >/usr/bin/mine; sleep 4567 >/dev/null 2>&1 &');
    await expect(two.sh('cat /etc/mine')).rejects.toThrow('exit 1');
    await expect(readFile('/etc/mine')).rejects.toThrow('ENOENT');
    expect(await two.sh('ps axo args | grep -c "[s]leep 4567" || true')).toBe('0');
    expect(await one.sh('ps axo args | grep -c "[s]leep 4567"')).toBe('1');

    // They reach each other and this machine, and nothing else.
    await one.sh(`ping -q -c 1 -W 5 -M do -s 1472 ${two.node.address}`);
    await one.sh(`ping -q -c 1 -W 5 ${hosts.lab.gateway}`);
    const as = await one.remote.run('id -un; sudo -n id -un', {
      signal: AbortSignal.timeout(20_000),
      deadline: 20_000,
    });
    expect(as.stdout).toBe('zuul\nroot\n');
  });

  it('dies at once and leaves its place', async () => {
    const [host] = await hosts.boot('victim');
    await hosts.lab.kill('victim');
    expect((await hosts.lab.nodes()).find(({ node }) => node === 'victim')).toMatchObject({
      pid: undefined,
      up: false,
    });
    await hosts.lab.boot({ node: 'victim', name: 'victim' });
    expect((await hosts.lab.up('victim')).address).toBe(host?.node.address);
  });
});

describe.skipIf(missing !== undefined)('a lab', () => {
  it('leaves nothing behind', async () => {
    const lab = await openLab({ authorizedKeys: '' });
    await Promise.all(['a', 'b', 'c'].map((node) => lab.boot({ node })));
    await Promise.all(['a', 'b', 'c'].map((node) => lab.up(node)));
    expect(await traces(lab)).not.toEqual([]);
    await lab[Symbol.asyncDispose]();
    expect(await traces(lab)).toEqual([]);
  });

  it('whose keeper was killed is taken down by the next one', async () => {
    const keeper = cloud('up', '/dev/null');
    const [line]: unknown[] = await once(keeper.stdout ?? keeper, 'data');
    const { lab: id } = z.object({ lab: z.string() }).parse(JSON.parse(String(line)));
    const lab = await findLab(id);
    await lab.boot({ node: 'orphan' });
    expect(await sweepLabs()).not.toContain(id);
    keeper.kill('SIGKILL');
    await once(keeper, 'close');
    // A node is half way into its life: no matter.
    const processes = async () => (await marked()).filter((each) => each.lab === id).length;
    const before = await processes();
    const half = lab.boot({ node: 'half' }).catch(() => undefined);
    while ((await processes()) <= before) await sleep(1);
    const next = await openLab({ authorizedKeys: '' });
    await next[Symbol.asyncDispose]();
    await half;
    expect(await traces(lab)).toEqual([]);
  });

  it('leaves alone those that are opened at the same moment', async () => {
    const labs = await Promise.all(Array.from({ length: 8 }, () => openLab({ authorizedKeys: '' })));
    await sweepLabs();
    for (const { id } of labs) expect((await findLab(id)).id).toBe(id);
    await Promise.all(labs.map((lab) => lab[Symbol.asyncDispose]()));
  });

  it('is a cloud for the command provider', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cloud-'));
    await writeFile(join(folder, 'keys'), '');
    const lab = await openLab({ authorizedKeys: '', capacity: 3 });
    try {
      const order = { site: 'b1946ac92492d234', label: 'devstack', zone: 'rack-1' };
      const nodes = ['0000000001', '0000000002', '0000000003'];
      const made = await Promise.all(nodes.map((node) => asked('create', lab.id, { ...order, node })));
      expect(made.map(({ code }) => code)).toEqual([0, 0, 0]);
      const machines = made.map(({ said }) => Machine.parse(said));
      expect(machines[0]).toMatchObject({
        node: '0000000001',
        zone: 'rack-1',
        ssh: { port: 22, user: 'zuul' },
      });
      expect(new Set(machines.map(({ address }) => address)).size).toBe(3);
      // Asked again it is the same one; a fourth finds no room.
      expect((await asked('create', lab.id, { ...order, node: '0000000001' })).said).toMatchObject({
        id: machines[0]?.id,
      });
      expect((await asked('create', lab.id, { ...order, node: '0000000004' })).code).toBe(75);
      await Promise.all(nodes.map((node) => lab.up(node)));
      await lab.kill('0000000002');
      const listed = z.array(Machine).parse((await asked('list', lab.id, undefined)).said);
      expect(listed.map(({ node, state }) => `${node} ${state}`).sort()).toEqual([
        '0000000001 active',
        '0000000002 failed',
        '0000000003 active',
      ]);
      for (const node of [...nodes, 'unknown']) {
        expect((await asked('delete', lab.id, { id: null, node })).code).toBe(0);
      }
      expect((await asked('list', lab.id, undefined)).said).toEqual([]);
    } finally {
      await lab[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    }
  });
});

const Machine = z.looseObject({ id: z.string(), node: z.string(), state: z.string(), address: z.string() });

/** What this machine still has of a lab. */
async function traces({ id, uplink }: { id: string; uplink: string }): Promise<string[]> {
  const mine = (await marked()).filter(({ lab }) => lab === id).map(({ pid }) => `process ${pid}`);
  const folders = (await readdir(tmpdir())).filter((name) => name.includes(id));
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .filter((line) => line.includes(id));
  const links = Object.keys(networkInterfaces()).filter((name) => name === uplink);
  return [...mine, ...folders, ...mounts, ...links];
}

function cloud(...words: string[]): ChildProcess {
  return spawn(join(import.meta.dirname, 'cloud'), words, { stdio: ['pipe', 'pipe', 'inherit'] });
}

async function asked(command: string, lab: string, input: unknown): Promise<{ code: number; said: unknown }> {
  const child = cloud(command, lab);
  child.stdin?.end(input === undefined ? '' : JSON.stringify(input));
  const [said, [code]]: [string, unknown[]] = await Promise.all([
    child.stdout === null ? '' : text(child.stdout),
    once(child, 'close'),
  ]);
  return { code: Number(code), said: said === '' ? undefined : JSON.parse(said) };
}
