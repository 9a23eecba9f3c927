import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startGerrit } from '../fakes/gerrit/server.ts';
import { type Instance, startInstance } from '../harness/instance.ts';
import { freePort } from '../harness/servers.ts';
import { writeSite } from '../harness/site.ts';
import { borrowServers } from './servers.ts';
import { demoJobs, demoLayout } from './site.ts';
import { PROJECT, type Stage, tellOfCheck, tellOfGate } from './story.ts';
import { heading, say } from './words.ts';

/**
 * `npm run demo`: the main jobs from end to end. A simulated Gerrit and a real Stackgate start; two changes are pushed with
 * git, checked and voted on; then they are approved, and the gate has Gerrit merge them, though the first fails once.
 */

const HELP = `npm run demo [-- options]

Starts a simulated Gerrit and Stackgate in a temporary folder, pushes two changes with git, waits for the check pipeline's
votes, approves both and lets the gate merge them. The first one meets bad luck, so the second is tested again without it.
Exit code 0 when both are merged.

  --database URL   PostgreSQL instead of the database inside the process; an empty one, left empty again
  --redis URL      work queues on Redis or Valkey
  --roles          one process for each role instead of one for all (needs --database)
  --keep           stay up afterwards and print the addresses; Ctrl-C ends it
  --help           this text

On real servers:  npm run demo -- --database postgres://me@127.0.0.1/demo --redis redis://127.0.0.1:6379 --roles`;

/** ms that a program may take to start on a machine with other things to do. */
const PATIENCE = 180_000;

const { values: options } = parseArgs({
  options: {
    database: { type: 'string' },
    redis: { type: 'string' },
    roles: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

async function demo(dir: string): Promise<number> {
  const weather = join(dir, 'weather');
  await mkdir(weather);
  await chmod(weather, 0o1777);
  await using gerrit = await startGerrit({ dir: join(dir, 'gerrit') });
  gerrit.allow({ ref: 'refs/heads/*', permission: 'submit', group: 'Service Users' });
  await gerrit.createProject(PROJECT, {
    files: { 'README.md': 'A demo.\n', 'test.sh': '#!/bin/sh\ngrep -q demo README.md\n' },
  });
  heading('Two programs start');
  say(`Gerrit (simulated) answers SSH on ${gerrit.host}:${gerrit.port} and has project ${PROJECT}`);
  const siteFile = await writeSite({
    dir,
    gerrit,
    layout: demoLayout(PROJECT),
    jobs: demoJobs(weather),
    databaseUrl: options.database,
    redisUrl: options.redis,
    listen: `127.0.0.1:${await freePort()}`,
  });
  const roles = options.roles ? ['server', 'scheduler', 'launcher', 'worker'] : ['start'];
  const started: Instance[] = [];
  try {
    started.push(
      ...(await Promise.all(roles.map((role) => startInstance(siteFile, { role, deadline: PATIENCE })))),
    );
    const [first] = started;
    if (first === undefined) throw new Error('nothing was started');
    const slowest = Math.max(...started.map(({ readyAfter }) => readyAfter));
    const what = options.roles ? `Stackgate, ${roles.join(', ')},` : 'Stackgate';
    say(`${what} listens to its events; ready after ${(slowest / 1000).toFixed(1)} s`);
    const stage: Stage = {
      gerrit,
      dir,
      stackgate: first,
      output: () => started.map((one) => one.output()).join('\n'),
    };
    const changes = await tellOfCheck(stage);
    const isMerged = await tellOfGate(stage, changes);
    if (options.keep) await stay(gerrit, first, siteFile);
    return isMerged ? 0 : 1;
  } finally {
    await Promise.all(started.map((one) => one.kill('SIGTERM')));
  }
}

async function stay(
  gerrit: { readonly host: string; readonly port: number },
  stackgate: Instance,
  siteFile: string,
): Promise<void> {
  console.log(`\nStaying up; Ctrl-C ends it.
  status page   ${stackgate.url}
  Gerrit (SSH)  ${gerrit.host}:${gerrit.port}
  site file     ${siteFile}
  try           node dist/cli/main.js run demo-test --config ${siteFile}`);
  await new Promise<void>((resolve) => process.once('SIGINT', () => resolve()));
}

async function main(): Promise<number> {
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  if (options.roles && options.database === undefined) {
    console.error('--roles needs --database: processes share a PostgreSQL server');
    return 2;
  }
  const giveBack = await borrowServers(options);
  const dir = await mkdtemp(join(tmpdir(), 'stackgate-demo-'));
  try {
    return await demo(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
    await giveBack();
  }
}

process.exitCode = await main().catch((caught: unknown) => {
  console.error(caught instanceof Error ? caught.message : caught);
  return 1;
});
