import { readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSshd, type Sshd } from '../e2e/nodes/sshd.ts';
import type { Machines } from './machines.ts';

/**
 * Static hosts for builds: each has one place and a folder of its own, reached through two real OpenSSH servers on loopback. What
 * a host runs before and after a lease looks whether it is clean, and writes down what it finds.
 */
const SITE = 'logs';
const PLACES = 6;

/** `look.sh WHEN ROOT NOTES`: notes every workspace under ROOT. */
const LOOK = `#!/bin/sh
for found in "$2"/build-* "$2"/.*build-*; do
  if [ -e "$found" ]; then echo "$1: $found is there" >> "$3"; fi
done
exit 0
`;

export async function openHosts(dir: string): Promise<Machines> {
  const [first, second] = await Promise.all([openSshd(), openSshd()]);
  const notes = join(dir, 'soiled');
  const look = join(dir, 'look.sh');
  await writeFile(notes, '');
  await writeFile(look, LOOK);
  await chmod(look, 0o755);
  const own = await Promise.all([first, second].map((sshd, index) => entranceOf(dir, sshd, index)));
  const roots: string[] = [];
  const nodes = [];
  for (let place = 0; place < PLACES; place++) {
    const root = join(dir, `host-${place}`);
    await mkdir(root, { mode: 0o711 });
    await chmod(root, 0o711);
    roots.push(root);
    nodes.push({
      name: `host-${place}`,
      labels: ['remote'],
      workspaces: root,
      'health-check': [look, 'before a lease', root, notes],
      cleanup: [look, 'after a lease', root, notes],
      ...own[place % own.length],
      // Builds are somebody else than who logs in, where we may change.
      ...(process.geteuid?.() === 0 ? { 'job-user': 'nobody' } : {}),
    });
  }
  const copies = join(dir, 'copied');
  await mkdir(copies);
  const { target } = first;
  const scp = {
    host: target.address,
    port: target.port,
    user: target.user,
    key: join(dir, 'login-0'),
    'host-key': own[0]?.['host-key'],
    root: copies,
  };
  return {
    label: 'remote',
    copies: { site: SITE, folder: join(copies, 'copies') },
    roots,
    // YAML reads JSON.
    nodepool: JSON.stringify({ providers: [{ driver: 'static', name: 'rack', nodes }] }),
    lines: [`scp-sites: ${JSON.stringify({ [SITE]: scp })}`],
    left: async () => [],
    soiled: () =>
      readFileSync(notes, 'utf8')
        .split('\n')
        .filter((line) => line !== ''),
    async [Symbol.asyncDispose]() {
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
    },
  };
}

async function entranceOf(dir: string, sshd: Sshd, index: number) {
  const key = join(dir, `login-${index}`);
  await writeFile(key, sshd.target.key, { mode: 0o600 });
  return {
    host: sshd.target.address,
    'connection-port': sshd.port,
    username: sshd.target.user,
    'private-key': key,
    'host-key': sshd.target.hostKeys.map((line) => line.trim()),
  };
}
