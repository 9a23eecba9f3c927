import { createHash } from 'node:crypto';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { resolveJobUser } from '../nodepool/jobuser.ts';
import { defaultLimits } from '../nodepool/supervisor/plan.ts';
import { localShell } from '../nodepool/supervisor/shell.ts';
import { buildConsole } from '../workers/console.ts';
import { directorySite } from '../workers/logs/site.ts';

/**
 * From a job's process to its console on disk: supervisor, ticks, stamps, redaction, cleaning, writing. Run it with
 * `npx tsx bench/console.bench.ts`; `MB=200` says how much each job writes.
 *
 * What is timed is from `start` to the last byte of console.txt; the growth of our memory is the most seen meanwhile.
 */

const megabytes = Number(process.env['MB'] ?? 200);
const secrets = ['correct-horse-battery', 'staple-staple-staple', '-----BEGIN PRIVATE KEY-----\nabc\ndefghi'];

const jobs: Record<string, string> = {
  'lines of 80, plain': `yes "$(printf 'x%.0s' {1..79})" | head -c ${megabytes}000000`,
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
    rows.push(await measure(`build-${index}`, name, command));
  }
  console.table(rows);
  console.log(JSON.stringify(rows));
} finally {
  await rm(root, { recursive: true, force: true });
}

async function measure(build: string, name: string, command: string): Promise<Record<string, unknown>> {
  const signal = AbortSignal.timeout(600_000);
  const path = `bench/${createHash('sha256').update(name).digest('hex').slice(0, 7)}`;
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
  let bytes = 0;
  const steps = [{ name, script: `#!/bin/bash\n${command}` }];
  const begin = performance.now();
  await shell.start({ build, steps, env: {}, timeout: 600_000 }, signal);
  const output = (chunk: Uint8Array, _: number, at: number) => {
    bytes += chunk.length;
    most = Math.max(most, process.memoryUsage.rss());
    return text.output(chunk, at);
  };
  await shell.attach(build, 0, { output }, signal);
  await text.end();
  const seconds = (performance.now() - begin) / 1000;
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
    'MB/s to disk': Math.round(bytes / 1e6 / seconds),
    'MB/s read again': Math.round(bytes / 1e6 / reread),
    'MB/s packed': Math.round(size / 1e6 / packing),
    'RSS + MiB': Math.round((most - before) / 1024 ** 2),
  };
}
