import { describe, expect, it } from 'vitest';
import { judge, type NodeNeeds, readProbe } from './preflight.ts';

const good: Record<string, string> = {
  bash: '5.2',
  clock: '1000000',
  euid: '0',
  os: 'ubuntu 24.04',
  cpus: '8',
  memory: '16000',
  available: '15000',
  near: '/opt',
  writable: 'yes',
  disk: '80000',
  inodes: '1000000',
  uid: '1000',
  sudo: 'yes',
  iscsi: 'yes',
  kvm: 'yes',
};

function judged(changes: Record<string, string | undefined>, needs: Partial<NodeNeeds> = {}) {
  const lines = Object.entries({ ...good, ...changes }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  return judge(readProbe(lines.join('\n')), { root: '/opt/builds', ...needs }, 999_990, 1_000_010);
}
const devstack = { devstack: true, sudo: true };

describe('preflight', () => {
  it('finds nothing wrong with a good machine', () => {
    expect(judged({}, devstack)).toEqual({ refused: [], warned: [] });
  });

  it.each([
    ['a disk that is too small', { disk: '3000' }, devstack, /2\.9 GiB are free on \/opt, and 10\.0 GiB/],
    ['a disk smaller than the label asks', { disk: '3000' }, { disk: 5000 }, /4\.9 GiB are needed/],
    ['a full disk, whatever is asked', { disk: '3' }, {}, /3 MiB are free/],
    ['no inodes', { inodes: '12' }, {}, /12 inodes/],
    ['too little memory', { memory: '2000' }, devstack, /2\.0 GiB of memory/],
    ['too few CPUs', { cpus: '2' }, { cpus: 4 }, /2 CPUs, and 4/],
    [
      'a container without iscsi',
      { container: 'lxc', iscsi: undefined },
      devstack,
      /container \(lxc\) without iscsi/,
    ],
    ['no sudo', { sudo: undefined }, devstack, /steps need sudo/],
    ['no job user', { uid: undefined }, {}, /no account/],
    ['no git', { missing: 'git' }, {}, /git is missing: install git/],
    ['no python3 for DevStack', { missing: 'python3' }, devstack, /python3 is missing, which DevStack/],
    ['an old bash', { bash: '4.2' }, {}, /bash is 4\.2/],
    ['a clock behind', { clock: '900000' }, {}, /100\.0 s behind ours/],
    ['a clock ahead', { clock: '9000000' }, {}, /133 min ahead of ours/],
    ['a root we may not write to', { writable: undefined }, {}, /\/opt is not writable/],
    ['a logind that kills', { killed: 'yes' }, {}, /KillUserProcesses/],
  ])('refuses %s, with one sentence', (_, changes, needs, sentence) => {
    const { refused } = judged(changes, needs);
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatch(sentence);
  });

  it.each([
    ['little memory', { memory: '6000' }, devstack, /5\.9 GiB/],
    ['no kvm', { kvm: undefined }, devstack, /LIBVIRT_TYPE=qemu/],
    ['a container with iscsi', { container: 'lxc' }, devstack, /network namespace/],
    ['no python3 without DevStack', { missing: 'python3' }, {}, /python3 is missing/],
    ['a clock that is a little off', { clock: '990000' }, {}, /10\.0 s behind/],
    ['noexec', { noexec: 'yes' }, {}, /noexec/],
  ])('warns of %s', (_, changes, needs, sentence) => {
    const { refused, warned } = judged(changes, needs);
    expect(refused).toEqual([]);
    expect(warned).toHaveLength(1);
    expect(warned[0]).toMatch(sentence);
  });

  it('says everything at once, and makes nothing of nonsense', () => {
    expect(
      judged({ disk: 'many', memory: '-', bash: undefined, sudo: undefined }, devstack).refused,
    ).toHaveLength(4);
    expect(judge(readProbe('\0=\n==\nx'), { root: '/r' }, 0, 0).refused.length).toBeGreaterThan(3);
  });
});
