import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { resolveJobUser } from '../nodepool/jobuser.ts';
import { openSshShell } from '../nodepool/ssh/shell.ts';
import { defaultLimits } from '../nodepool/supervisor/plan.ts';
import { localShell } from '../nodepool/supervisor/shell.ts';
import type { Shell } from '../pipelines/ports.ts';
import { missing, openSshd, type Sshd } from '../test/e2e/nodes/sshd.ts';
import { buildConsole } from '../workers/console.ts';
import { directorySite } from '../workers/logs/site.ts';

/**
 * From a job's process to its console on disk: supervisor, ticks, stamps, redaction, cleaning, writing; on this machine, and on
 * a node over ssh. Run it with `npx tsx bench/console.bench.ts`; `MB=200` says how much each job writes.
 *
 * What is timed is from `start` to the last byte of console.txt; the growth of our memory is the most seen meanwhile. Over ssh
 * it is compared with `ssh host command > file` in the same run, turn by turn, the best of each: both meet the same noise.
 */

const megabytes = Number(process.env['MB'] ?? 200);
const secrets = ['correct-horse-battery', 'staple-staple-staple', '-----BEGIN PRIVATE KEY-----\nabc\ndefghi'];

const rate = 'MB/s to disk';
const turns = 5;
const plain = 'lines of 80, plain';
const jobs: Record<string, string> = {
  [plain]: `yes "$(printf 'x%.0s' {1..79})" | head -c ${megabytes}000000`,
  'lines of 80, stamped': `yes "$(printf 'x%.0s' {1..79})" | head -c ${megabytes}000000`,
  'with colours and UTF-8, stamped': `yes "$(printf '\\033[32mok\\033[0m é%.0s' {1..6})" | head -c ${megabytes}000000`,
  'one line without end, stamped': `head -c ${megabytes}000000 /dev/zero | tr '\\000' x`,
};

const root = await mkdtemp(join(tmpdir(), 'stackgate-bench-console-'));
await chmod(root, 0o711);
const asRoot = process.geteuid?.() === 0;
const user = await resolveJobUser(
  asRoot ? { user: process.env['JOB_USER'] ?? 'nobody' } : { allowSameUser: true },
);
const shell = localShell(join(root, 'nodes'), {
  limits: { ...defaultLimits, output: 8 * 1024 ** 3 },
  user,
  exclusive: false,
  noNewPrivileges: true,
  environment: {},
});
const site = directorySite({ directory: join(root, 'logs'), url: 'http://localhost' });
const rows: Record<string, unknown>[] = [];
try {
  for (const [index, [name, command]] of Object.entries(jobs).entries()) {
    rows.push(await measure(shell, `build-${index}`, name, command));
  }
  const why = missing();
  if (why === undefined) rows.push(...(await overSsh()));
  else console.log(`over ssh: left out, ${why}`);
  console.table(rows);
  console.log(JSON.stringify(rows));
} finally {
  await rm(root, { recursive: true, force: true });
}

/** The plain job over ssh, and OpenSSH's client with the same one. */
async function overSsh(): Promise<Record<string, unknown>[]> {
  const command = jobs[plain] ?? '';
  await using sshd = await openSshd();
  const over = { root: join(root, 'remote'), limits: { output: 8 * 1024 ** 3 } };
  await using remote = openSshShell(sshd.target, user === undefined ? over : { ...over, user: user.name });
  let best = 0;
  let ours: Record<string, unknown> = {};
  for (let turn = 0; turn < turns; turn++) {
    best = Math.max(best, await openSshRate(sshd, command));
    const row = await measure(remote, `build-ssh-${turn}`, `${plain}, over ssh`, command);
    if (Number(row[rate]) > Number(ours[rate] ?? 0)) ours = row;
  }
  return [
    { name: 'ssh host command > file', [rate]: Math.round(best) },
    { ...ours, 'of ssh': (Number(ours[rate]) / best).toFixed(2) },
  ];
}

/** MB/s of `ssh host command > file`. */
async function openSshRate(sshd: Sshd, command: string): Promise<number> {
  const { address, port, user: login } = sshd.target;
  const file = await open(join(root, 'ssh.out'), 'w');
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
  const args = ['-F', '/dev/null', '-i', join(sshd.folder, 'login'), '-p', `${port}`];
  const begin = performance.now();
  const client = spawn(
    'ssh',
    [...args, ...options.flatMap((each) => ['-o', each]), `${login}@${address}`, 'bash -s'],
    {
      stdio: ['pipe', file.fd, 'inherit'],
    },
  );
  client.stdin?.end(command);
  await new Promise((resolve) => client.on('close', resolve));
  const seconds = (performance.now() - begin) / 1000;
  const { size } = await file.stat();
  await file.close();
  return size / 1e6 / seconds;
}

async function measure(
  shell: Shell,
  build: string,
  name: string,
  command: string,
): Promise<Record<string, unknown>> {
  const signal = AbortSignal.timeout(600_000);
  const path = `bench/${createHash('sha256').update(build).digest('hex').slice(0, 7)}`;
  const folder = await site.open(path);
  const writer = await folder.console(0);
  const text = buildConsole({
    timestamps: name.includes('stamped'),
    secrets,
    limit: Number.POSITIVE_INFINITY,
    write: (chunk) => writer.write(chunk),
  });
  const before = process.memoryUsage.rss();
  let most = before;
  const weigh = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 10);
  let bytes = 0;
  const steps = [{ name, script: `#!/bin/bash\n${command}` }];
  const begin = performance.now();
  await shell.start({ build, steps, env: {}, timeout: 600_000 }, signal);
  const output = (chunk: Uint8Array, _: number, at: number) => {
    bytes += chunk.length;
    return text.output(chunk, at);
  };
  await shell.attach(build, 0, { output }, signal);
  await text.end();
  const seconds = (performance.now() - begin) / 1000;
  clearInterval(weigh);
  await writer.close();
  const again = performance.now();
  await shell.attach(build, 0, { output: () => undefined }, signal);
  const reread = (performance.now() - again) / 1000;
  const size = (await stat(join(root, 'logs', path, 'console.txt'))).size;
  const finishing = performance.now();
  await folder.finish({});
  const packing = (performance.now() - finishing) / 1000;
  await shell.forget(build, signal);
  return {
    name,
    'raw MB': Math.round(bytes / 1e6),
    [rate]: Math.round(bytes / 1e6 / seconds),
    'MB/s read again': Math.round(bytes / 1e6 / reread),
    'MB/s packed': Math.round(size / 1e6 / packing),
    'RSS + MiB': Math.round((most - before) / 1024 ** 2),
  };
}
