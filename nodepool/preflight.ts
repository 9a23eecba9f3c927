/**
 * Is this machine fit for builds? A probe's answers in, sentences out: a machine that would fail every build in its own way an
 * hour later is told apart from patches before the first build meets it. Nodepool's launcher asks only for ssh; devstack-gate
 * and DevStack find the rest out when it is too late.
 */

/** What builds of a label need; what is left out is not asked for. */
export interface NodeNeeds {
  /** Folder of the workspaces. */
  readonly root: string;
  /** MiB free there. */
  readonly disk?: number | undefined;
  /** MiB in all. */
  readonly memory?: number | undefined;
  readonly cpus?: number | undefined;
  /** Steps use sudo. */
  readonly sudo?: boolean | undefined;
  /** DevStack is to run there. */
  readonly devstack?: boolean | undefined;
}

export interface Judgement {
  /** Why no build may run there, one sentence each; empty: it is fit. */
  readonly refused: readonly string[];
  /** What will perhaps make trouble. */
  readonly warned: readonly string[];
}

/** The answers of probe.sh, by name; `missing` comes once for each program. */
export type Probe = ReadonlyMap<string, readonly string[]>;

export function readProbe(text: string): Probe {
  const all = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at <= 0) continue;
    const values = all.get(line.slice(0, at)) ?? [];
    values.push(line.slice(at + 1));
    all.set(line.slice(0, at), values);
  }
  return all;
}

/** MiB and inodes without which nothing can be laid down. */
const leastDisk = 512;
const leastInodes = 10_000;
/** DevStack's documentation asks for 8 GB; with less than 4 no service set starts. Its trees and images take 10 GB. */
const devstackMemory = { least: 3800, enough: 7600 };
const devstackDisk = 10 * 1024;
/** ms: tokens and certificates of a node set stop being valid, and the times in consoles mislead. */
const skew = { most: 60_000, seen: 2_000 };
/** Without these no build starts. */
const tools: Readonly<Record<string, string>> = {
  git: 'git',
  tar: 'tar',
  setpriv: 'util-linux',
  setsid: 'util-linux',
  flock: 'util-linux',
  find: 'findutils',
  grep: 'grep',
  dd: 'coreutils',
  stat: 'coreutils',
};

/** `asked` and `answered` are our clock around the probe, ms. */
export function judge(probe: Probe, needs: NodeNeeds, asked: number, answered: number): Judgement {
  const refused: string[] = [];
  const warned: string[] = [];
  const text = (name: string): string | undefined => probe.get(name)?.[0];
  const number = (name: string): number | undefined => {
    const value = text(name);
    return value === undefined || !/^\d+$/.test(value) ? undefined : Number(value);
  };
  const yes = (name: string): boolean => text(name) === 'yes';
  const refuse = (when: boolean, why: string) => void (when && refused.push(why));
  const warn = (when: boolean, why: string) => void (when && warned.push(why));

  const [major = 0, minor = 0] = (text('bash') ?? '').split('.').map(Number);
  refuse(major < 4 || (major === 4 && minor < 4), `bash is ${text('bash') ?? 'unknown'}, and 4.4 is needed`);
  for (const tool of probe.get('missing') ?? []) {
    const needed = tools[tool];
    if (needed !== undefined) refused.push(`${tool} is missing: install ${needed}`);
    else if (needs.devstack === true)
      refused.push(`${tool} is missing, which DevStack needs: install ${tool}`);
    else warned.push(`${tool} is missing`);
  }
  refuse(text('uid') === undefined, 'there is no account for the steps of jobs');
  refuse(needs.sudo === true && !yes('sudo'), 'steps need sudo, and it asks for a password or is not there');
  refuse(
    yes('killed'),
    'systemd-logind ends what a login leaves (KillUserProcesses=yes): builds would die with the connection',
  );

  const near = text('near') ?? needs.root;
  refuse(!yes('writable'), `${near} is not writable for us: workspaces go to ${needs.root}`);
  warn(yes('noexec'), `${near} is mounted noexec: programs that jobs build there cannot run`);
  const disk = number('disk') ?? 0;
  const wantedDisk = Math.max(needs.disk ?? 0, leastDisk, needs.devstack === true ? devstackDisk : 0);
  refuse(disk < wantedDisk, `${gib(disk)} are free on ${near}, and ${gib(wantedDisk)} are needed`);
  const inodes = number('inodes');
  refuse(
    inodes !== undefined && inodes < leastInodes,
    `${inodes} inodes are free on ${near}: too few for a workspace`,
  );

  const memory = number('memory') ?? 0;
  const wantedMemory = Math.max(needs.memory ?? 0, needs.devstack === true ? devstackMemory.least : 0);
  refuse(memory < wantedMemory, `it has ${gib(memory)} of memory, and ${gib(wantedMemory)} are needed`);
  const tight = needs.devstack === true && memory >= wantedMemory && memory < devstackMemory.enough;
  warn(tight, `it has ${gib(memory)} of memory: DevStack with all services wants 8 GiB`);
  const cpus = number('cpus') ?? 1;
  refuse(cpus < (needs.cpus ?? 1), `it has ${cpus} CPUs, and ${needs.cpus} are needed`);

  if (needs.devstack === true) {
    const container = text('container');
    const inContainer = `it is a container (${container})`;
    refuse(
      container !== undefined && !yes('iscsi'),
      `${inContainer} without iscsi: DevStack cannot attach volumes there, nor load the modules its networks need`,
    );
    warn(
      container !== undefined && yes('iscsi'),
      `${inContainer}: iscsi works only in the host's own network namespace`,
    );
    warn(
      container === undefined && !yes('kvm'),
      'there is no /dev/kvm: nested machines are emulated (LIBVIRT_TYPE=qemu), and slow',
    );
  }

  const clock = number('clock');
  // The node read its clock somewhere between our two looks at ours.
  const off = clock === undefined ? 0 : clock < asked ? asked - clock : Math.max(0, clock - answered);
  const direction = clock !== undefined && clock < asked ? 'behind' : 'ahead of';
  refuse(off > skew.most, `its clock is ${seconds(off)} ${direction} ours: start chrony or ntpd there`);
  warn(off > skew.seen && off <= skew.most, `its clock is ${seconds(off)} ${direction} ours`);
  return { refused, warned };
}

function gib(mib: number): string {
  return mib < 1024 ? `${mib} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}
