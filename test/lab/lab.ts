import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ageOf, readJson, writeAside } from './files.ts';
import { type Images, imagesIn } from './images.ts';
import { killAll, labMark, type Marked, marked, nodeMark, startedAt } from './marks.ts';

/**
 * Real hosts on one machine, without Docker: each a copy of this machine's root in namespaces of its own, with a real sshd, its
 * own host name, users, processes and interfaces, joined by a bridge that lives in a namespace, too. This machine itself sees
 * one interface with a /24 of the benchmarking range (RFC 2544) and one folder below /tmp.
 *
 * Killing its processes is taking a lab down: the kernel takes back the rest. A lab whose owner is gone is taken down by
 * whoever opens the next one.
 */

const LabRecord = z.object({
  id: z.string(),
  owner: z.object({ pid: z.int(), started: z.string() }),
  /** `198.18.77` */
  subnet: z.string(),
  uplink: z.string(),
  switch: z.int(),
  user: z.string(),
  /** Most nodes at a time. */
  capacity: z.int(),
});
export type LabRecord = z.infer<typeof LabRecord>;

const NodeRecord = z.object({
  /** As a cloud calls it: never two machines one name. */
  id: z.string(),
  /** Whoever asked for it calls it so. */
  node: z.string(),
  name: z.string(),
  address: z.string(),
  /** What else was said of it. */
  about: z.record(z.string(), z.unknown()),
});

export interface LabNode extends z.infer<typeof NodeRecord> {
  /** Its place in the lab: the last part of its address. */
  readonly place: string;
  /** Its first process, as this machine numbers it; undefined when it is dead. */
  readonly pid: number | undefined;
  /** Its sshd listens. */
  readonly up: boolean;
  readonly hostKeys: readonly string[];
}

export interface Lab extends AsyncDisposable {
  readonly id: string;
  readonly user: string;
  /** Most nodes at a time. */
  readonly capacity: number;
  /** The side of this machine. */
  readonly gateway: string;
  /** The one interface this machine has of it. */
  readonly uplink: string;
  /** The process that holds the switch's network namespace. */
  readonly switch: number;
  /** Boots a node, or finds the one that was booted under this name before. Undefined: the lab is full. */
  boot(order: Order): Promise<LabNode | undefined>;
  /** Waits until its sshd listens. */
  up(node: string): Promise<LabNode>;
  nodes(): Promise<LabNode[]>;
  /** The machine is gone at once, as by a power cut; its place stays. */
  kill(node: string): Promise<void>;
  /** Kills it and frees its place. */
  remove(node: string): Promise<void>;
  readonly images: Images;
}

interface Order {
  readonly node: string;
  readonly name?: string;
  readonly about?: Record<string, unknown>;
  /** One that was saved; else a copy of this machine. */
  readonly image?: string | undefined;
}

const prefix = 'stackgate-lab.';

export interface LabOptions {
  /** Public keys that root and `user` of every node let in, one a line. */
  readonly authorizedKeys: string;
  readonly user?: string;
  readonly capacity?: number;
  /** The lab lives as long as this process, by default ours. */
  readonly owner?: number;
}

export async function openLab(options: LabOptions): Promise<Lab> {
  await sweepLabs();
  const id = randomBytes(4).toString('hex');
  const dir = join(tmpdir(), `${prefix}${id}`);
  await mkdir(join(dir, 'nodes'), { recursive: true, mode: 0o700 });
  await writeFile(join(dir, 'authorized_keys'), options.authorizedKeys);
  const pid = options.owner ?? process.pid;
  const wired = await wireSwitch(id);
  const record: LabRecord = {
    id,
    owner: { pid, started: (await startedAt(pid)) ?? '' },
    user: options.user ?? 'zuul',
    capacity: options.capacity ?? 200,
    ...wired,
  };
  await writeAside(join(dir, 'lab.json'), record);
  return labOf(record);
}

/** A lab that somebody opened. */
export async function findLab(id: string): Promise<Lab> {
  const record = await readJson(join(tmpdir(), `${prefix}${id}`, 'lab.json'), LabRecord);
  if (record === undefined) throw new Error(`there is no lab ${id}`);
  return labOf(record);
}

/** Takes down every lab whose owner is gone, and what belongs to no lab any more. Answers their ids. */
export async function sweepLabs(): Promise<string[]> {
  const swept: string[] = [];
  const living = new Set<string>();
  // A lab's folder is there before its first process is: looked at in this order, none is taken for one without a folder.
  const processes = await marked();
  const folders = (await readdir(tmpdir())).filter((each) => each.startsWith(prefix));
  for (const name of folders) {
    const id = name.slice(prefix.length);
    const record = await readJson(join(tmpdir(), name, 'lab.json'), LabRecord);
    const owned = record !== undefined && (await startedAt(record.owner.pid)) === record.owner.started;
    // Without a record it may be just being opened.
    if (owned || (record === undefined && (await ageOf(join(tmpdir(), name))) < 60_000)) living.add(id);
  }
  const ids = new Set([
    ...processes.map(({ lab }) => lab),
    ...folders.map((name) => name.slice(prefix.length)),
  ]);
  for (const id of ids) {
    if (living.has(id)) continue;
    await takeDown(id);
    swept.push(id);
  }
  return swept;
}

async function takeDown(id: string): Promise<void> {
  const dir = join(tmpdir(), `${prefix}${id}`);
  const record = await readJson(join(dir, 'lab.json'), LabRecord);
  const until = Date.now() + 10_000;
  const ofLab = async () => (await marked()).filter(({ lab }) => lab === id);
  // A boot that is half way makes more of them while we look.
  for (let left = await ofLab(); left.length > 0 && Date.now() < until; left = await ofLab())
    await killAll(left);
  // The kernel takes a namespace back a moment after its last process.
  const wired = () => record !== undefined && existsSync(`/sys/class/net/${record.uplink}`);
  while (wired() && Date.now() < until) await sleep(10);
  await rm(dir, { recursive: true, force: true });
}

function labOf(record: LabRecord): Lab {
  const dir = join(tmpdir(), `${prefix}${record.id}`);
  const lab: Lab = {
    id: record.id,
    user: record.user,
    capacity: record.capacity,
    gateway: `${record.subnet}.1`,
    uplink: record.uplink,
    switch: record.switch,
    boot: (order) => boot(record, dir, order),
    async up(node) {
      const until = Date.now() + 30_000;
      for (;;) {
        const found = (await lab.nodes()).find((each) => each.node === node);
        if (found?.up === true) return found;
        if (found?.pid === undefined || Date.now() > until)
          throw new Error(`lab node ${node} does not come up`);
        await sleep(20);
      }
    },
    nodes: () => nodesOf(record, dir),
    images: imagesIn(join(dir, 'images')),
    async kill(node) {
      await killAll(await processesOf(record, await lab.nodes(), node));
    },
    async remove(node) {
      const nodes = await lab.nodes();
      await killAll(await processesOf(record, nodes, node));
      for (const { place } of nodes.filter((each) => each.node === node))
        await rm(join(dir, 'nodes', place), { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => takeDown(record.id),
  };
  return lab;
}

async function processesOf(record: LabRecord, nodes: readonly LabNode[], node: string): Promise<Marked[]> {
  const places = new Set(nodes.filter((each) => each.node === node).map(({ place }) => place));
  return (await marked()).filter(
    (each) => each.lab === record.id && each.node !== undefined && places.has(each.node),
  );
}

async function boot(record: LabRecord, dir: string, order: Order): Promise<LabNode | undefined> {
  const nodes = await nodesOf(record, dir);
  const known = nodes.find((each) => each.node === order.node);
  if (known?.pid !== undefined) return known;
  if (known === undefined && nodes.length >= record.capacity) return undefined;
  const place = known?.place ?? (await claimPlace(dir));
  if (place === undefined) return undefined;
  const folder = join(dir, 'nodes', place);
  const name = order.name ?? `np${order.node}`;
  const address = `${record.subnet}.${place}`;
  const id = `i-${randomBytes(8).toString('hex')}`;
  await writeAside(join(folder, 'node.json'), {
    id,
    node: order.node,
    name,
    address,
    about: order.about ?? {},
  });
  await writeFile(join(folder, 'authorized_keys'), await readFile(join(dir, 'authorized_keys')));
  const words = [
    folder,
    name,
    record.user,
    record.switch,
    `port${place}`,
    `${address}/24`,
    `${record.subnet}.1`,
    ...(order.image === undefined ? [] : [imagesIn(join(dir, 'images')).path(order.image)]),
  ];
  await run('boot.sh', words.map(String), { [labMark]: record.id, [nodeMark]: place });
  return (await nodesOf(record, dir)).find((each) => each.node === order.node);
}

async function claimPlace(dir: string): Promise<string | undefined> {
  for (let place = 10; place < 250; place++) {
    try {
      await mkdir(join(dir, 'nodes', `${place}`));
      return `${place}`;
    } catch {
      // Taken.
    }
  }
  return undefined;
}

async function nodesOf(record: LabRecord, dir: string): Promise<LabNode[]> {
  const processes = (await marked()).filter(({ lab, first }) => lab === record.id && first);
  const places = await readdir(join(dir, 'nodes'));
  const found = places.map(async (place): Promise<LabNode | undefined> => {
    const folder = join(dir, 'nodes', place);
    const node = await readJson(join(folder, 'node.json'), NodeRecord);
    if (node === undefined) return undefined;
    const pid = processes.find((each) => each.node === place)?.pid;
    const key = await readFile(join(folder, 'keys', 'ssh_host_ed25519_key.pub'), 'utf8').catch(() => '');
    const hostKeys = key === '' ? [] : [key.split(' ').slice(0, 2).join(' ')];
    return { ...node, place, pid, up: pid !== undefined && (await listens(pid)), hostKeys };
  });
  return (await Promise.all(found)).filter((each) => each !== undefined);
}

/** Port 22 (0x16) in state LISTEN (0A). */
async function listens(pid: number): Promise<boolean> {
  const table = await readFile(`/proc/${pid}/net/tcp`, 'utf8').catch(() => '');
  return / 00000000:0016 00000000:0000 0A /.test(table);
}

/** A switch on a free subnet: the name of its uplink says which one, and only one can have it. */
async function wireSwitch(id: string): Promise<Pick<LabRecord, 'subnet' | 'uplink' | 'switch'>> {
  const taken = Object.values(networkInterfaces()).flatMap(
    (each) => each?.map(({ address }) => address) ?? [],
  );
  let last: unknown;
  for (let attempt = 0; attempt < 20; attempt++) {
    const number = randomBytes(1)[0] ?? 0;
    const subnet = `198.18.${number}`;
    if (taken.some((address) => address.startsWith(`${subnet}.`))) continue;
    try {
      const said = await run('switch.sh', [`sglab${number}`, `${subnet}.1/24`], { [labMark]: id });
      return { subnet, uplink: `sglab${number}`, switch: Number(said) };
    } catch (error) {
      last = error;
    }
  }
  throw new Error('the lab finds no subnet for its switch', { cause: last });
}

function run(script: string, args: readonly string[], mark: Record<string, string>): Promise<string> {
  const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...mark };
  return new Promise((resolve, reject) => {
    execFile(
      'bash',
      [join(import.meta.dirname, script), ...args],
      { env, timeout: 30_000 },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout.trim());
        else reject(new Error(`${script} failed: ${stderr.trim() || error.message}`));
      },
    );
  });
}
