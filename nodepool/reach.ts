import { readFile } from 'node:fs/promises';
import { asFault, Fault } from '../pipelines/fault.ts';
import type { Lease, LeasedNode, Shell } from '../pipelines/ports.ts';
import type { LoginConfig } from './config/config.ts';
import { joinNodes, partNodes } from './group.ts';
import type { Joiner, Ties } from './joiner.ts';
import type { NodeTest } from './life.ts';
import { type NodeSet, type SetMember } from './nodeset.ts';
import { NodeConnection } from './ssh/connection.ts';
import { scanHostKeys } from './ssh/scan.ts';
import type { SshTarget } from './ssh/session.ts';
import { openSshShell, type SshShell } from './ssh/shell.ts';
import type { SupervisorLimits } from './supervisor/plan.ts';

/** How nodes are entered over ssh: to test them, to join them, to run builds on them. */

export interface ReachOptions {
  /** A key file of nodepool.yaml as a path of this process. */
  readonly path: (path: string) => string;
  /** Text of a ready script, by its path in nodepool.yaml. */
  readonly script: (path: string) => string | undefined;
  readonly limits?: Partial<SupervisorLimits> | undefined;
  readonly log: (line: string, values: Readonly<Record<string, unknown>>) => void;
  /** Told the names of the durable steps on nodes as they are passed: `shell.lay.before`, `node.join.after` ... */
  readonly passed?: ((name: string) => void) | undefined;
}

/** Where workspaces lie on a node, unless nodepool.yaml says otherwise. */
export const defaultRoot = '/var/lib/stackgate';
export const defaultUser = 'zuul';
const knock = 1000;
const wall = { now: Date.now };

export interface Reach {
  readonly test: NodeTest;
  readonly join: Joiner;
  /** A shell for builds on a node; close it when the build is over. */
  readonly shell: (node: LeasedNode, lease: Lease) => Promise<Shell>;
  /** A connection for a person or a script. */
  readonly connect: (node: LeasedNode) => Promise<NodeConnection>;
  /** Removes what a build left on a host that stays. */
  readonly forget: (host: HostAccess, build: string, signal: AbortSignal) => Promise<void>;
}

/** A host as a provider knows it. */
export interface HostAccess extends LoginConfig {
  readonly address: string;
  readonly hostKeys: readonly string[];
}

export function openReach(options: ReachOptions): Reach {
  const keys = new Map<string, Promise<string>>();
  const passed = options.passed ?? (() => undefined);

  async function target({ address, user, port, keyFile, sudo, hostKeys }: HostAccess): Promise<SshTarget> {
    const name = user ?? defaultUser;
    return {
      address,
      port: port ?? 22,
      user: name,
      key: await keyOf(keyFile),
      hostKeys:
        hostKeys.length > 0 ? hostKeys : await scanHostKeys(address, port ?? 22, AbortSignal.timeout(60_000)),
      sudo: sudo === true && name !== 'root',
    };
  }

  /** Read once: a site has a few. */
  function keyOf(file: string | undefined): Promise<string> {
    if (file === undefined) {
      throw new Fault('config-invalid', 'a node has no SSH key', {
        hint: 'Name one with `private-key` of the image, the node or the provider in nodepool.yaml.',
      });
    }
    const path = options.path(file);
    const known = keys.get(path) ?? readText(path, 'SSH key');
    keys.set(path, known);
    known.catch(() => keys.delete(path));
    return known;
  }

  async function shellOn(access: HostAccess): Promise<SshShell> {
    const to = await target(access);
    return openSshShell(to, {
      root: access.workspaces ?? defaultRoot,
      user: access.jobUser,
      sudo: access.sudo,
      passed,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
  }

  async function setOf(ties: Ties, lease: Lease, opened: NodeConnection[]): Promise<NodeSet> {
    const members: SetMember[] = [];
    for (const node of lease.nodes) {
      const access = accessOf(node);
      const remote = new NodeConnection(await target(access));
      opened.push(remote);
      members.push({
        name: node.member ?? node.role,
        role: node.role === 'primary' ? 'primary' : 'sub',
        address: access.address,
        privateAddress: node.privateAddress,
        port: access.port,
        uuid: node.machine ?? node.id,
        provider: node.provider,
        region: node.region,
        zone: node.zone,
        remote,
      });
    }
    const user = lease.nodes
      .map((node) => node.ssh?.jobUser ?? node.ssh?.user)
      .find((name) => name !== undefined);
    const { network, groups } = ties;
    return { id: lease.id, user: user ?? defaultUser, members, groups, network, ready: scriptOf(ties) };
  }

  function scriptOf({ ready }: Ties): string | undefined {
    const text = ready === undefined ? undefined : options.script(ready);
    if (ready === undefined || text !== undefined) return text;
    throw new Fault('config-invalid', `there is no ready script ${ready}`, {
      hint: 'nodepool.yaml names it; put it there and reload.',
    });
  }

  async function withSet<T>(ties: Ties, lease: Lease, work: (set: NodeSet) => Promise<T>): Promise<T> {
    const opened: NodeConnection[] = [];
    try {
      return await work(await setOf(ties, lease, opened));
    } finally {
      await Promise.allSettled(opened.map((each) => each[Symbol.asyncDispose]()));
    }
  }

  return {
    async test({ id, machine }, login, signal) {
      if (machine.address === undefined) return { kind: 'fit' };
      const { address, hostKeys } = machine;
      const user = machine.user ?? login.user;
      const access = {
        ...login,
        address,
        user,
        port: machine.port ?? login.port,
        keyFile: machine.keyFile ?? login.keyFile,
      };
      let last = '';
      while (!signal.aborted) {
        try {
          const known = hostKeys ?? (await scanHostKeys(address, access.port ?? 22, signal));
          await using shell = await shellOn({ ...access, hostKeys: known });
          const { refused, warned } = await shell.preflight(login.needs ?? {}, wall, signal);
          for (const remark of warned) options.log('preflight', { node: id, remark });
          return refused.length === 0
            ? { kind: 'fit', hostKeys: known }
            : { kind: 'unfit', reason: refused.join('; ') };
        } catch (caught) {
          const fault = asFault(caught);
          last = fault.message;
          // A key that is refused now is refused later; a machine that boots is not there yet.
          if (!fault.retry && fault.code !== 'node-away' && fault.code !== 'deadline') {
            return { kind: 'unfit', reason: fault.message };
          }
        }
        await pause(knock, signal);
      }
      return { kind: 'unfit', reason: last };
    },
    join: {
      async up(ties, lease, signal) {
        passed('node.join.before');
        const joined = await withSet(ties, lease, (set) => joinNodes(set, signal));
        passed('node.join.after');
        if (joined.kind === 'refused') return joined;
        if (joined.kind === 'joined') {
          for (const remark of joined.remarks) options.log('joined', { lease: lease.id, remark });
          return { kind: 'joined' };
        }
        const { failures } = joined;
        const reason = failures.map((each) => `${each.node || 'the set'}: ${each.reason}`).join('; ');
        const blamed = failures.length === 1 ? failures[0]?.node : undefined;
        const node = lease.nodes.find((each) => (each.member ?? each.role) === blamed)?.node;
        return { kind: 'failed', reason, node };
      },
      async down(ties, lease, signal) {
        passed('node.part.before');
        const parted = await withSet(ties, lease, (set) => partNodes(set, signal));
        passed('node.part.after');
        if (parted.kind === 'parted') return;
        throw new Fault(
          'node-away',
          parted.failures.map(({ node, reason }) => `${node}: ${reason}`).join('; '),
          {
            retry: true,
          },
        );
      },
    },
    shell: (node) => shellOn(accessOf(node)),
    connect: async (node) => new NodeConnection(await target(accessOf(node))),
    async forget(host, build, signal) {
      await using shell = await shellOn(host);
      await shell.forget(build, signal);
    },
  };
}

export function accessOf(node: LeasedNode): HostAccess {
  if (node.address === undefined || node.ssh === undefined) {
    throw new Fault('bug', `node ${node.name} has no address`);
  }
  return { address: node.address, ...node.ssh };
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (caught) {
    throw new Fault('config-invalid', `the ${what} ${path} cannot be read`, {
      hint: 'nodepool.yaml names it.',
      cause: caught,
    });
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
