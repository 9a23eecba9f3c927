import { execFile } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { PoolNodes } from '../../server/contract.ts';
import { demoLayout } from '../demo/site.ts';
import { type Story, startStory } from '../harness/inprocess.ts';

/** The pool's commands against a Stackgate that runs, as a person runs them: processes, their output, their exit codes. */

const main = new URL('../../cli/main.ts', import.meta.url).pathname;
const command = [process.execPath, '--import', import.meta.resolve('tsx'), main] as const;
const job = (name: string, node: string, script: string) =>
  `- job:\n    name: ${name}\n    node: ${node}\n    builders: [{shell: '${script}'}]\n`;
const nodepool = `
labels: [{name: cloudy, min-ready: 0}]
providers:
  - {driver: static, name: rack, nodes: [{name: one, host: 192.0.2.1, labels: [array, 'fast'], max-parallel-jobs: 2}]}
`;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe('commands for nodes', { timeout: 300_000 }, () => {
  let story: Story;
  beforeAll(async () => {
    const jobs =
      job('patient', 'local', 'until [ -e go ]; do sleep 0.1; done') + job('array', 'array', 'true');
    story = await startStory(
      { layout: demoLayout('org/demo').replaceAll('demo-test', 'patient'), jobs, nodepool },
      async (gerrit) => {
        await gerrit.createProject('org/demo');
      },
    );
  }, 90_000);
  afterAll(async () => {
    await story[Symbol.asyncDispose]();
  }, 60_000);

  const stackgate = (...args: string[]): Promise<Ran> =>
    new Promise((resolve) => {
      const env = { ...process.env, STACKGATE_CONFIG: story.siteFile, NO_COLOR: '1', TERM: 'dumb' };
      const child = execFile(
        command[0],
        [...command.slice(1), ...args],
        { env, timeout: 90_000 },
        (error, out, err) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
          resolve({ code, out: out.trimEnd(), err: err.trimEnd() });
        },
      );
      child.stdin?.end();
    });
  const nodes = async () => (await story.client.get('/api/v1/nodes', PoolNodes)).nodes;
  const wait = { timeout: 60_000, interval: 50 };

  it('say that there is nothing, in words and in JSON', async () => {
    const [list, json, requests, holds] = await Promise.all([
      stackgate('nodes'),
      stackgate('node-list', '--json'),
      stackgate('requests'),
      stackgate('hold'),
    ]);
    expect(list).toEqual({ code: 0, out: 'no nodes', err: '' });
    expect(JSON.parse(json.out)).toEqual({ nodes: [] });
    expect(requests).toEqual({ code: 0, out: 'nobody waits for nodes or has any', err: '' });
    expect(holds.out).toBe('no holds');
  });

  it('show labels and providers in columns, and take a host offline', async () => {
    const offline = await stackgate('nodes', 'offline', 'rack/one', '--reason', 'new disks');
    expect(offline).toEqual({
      code: 0,
      out: 'rack/one is offline; 0 builds run there to their end',
      err: '',
    });
    const [labels, providers, json] = await Promise.all([
      stackgate('label-list'),
      stackgate('info'),
      stackgate('providers', '--json'),
    ]);
    expect(labels.out).toBe(
      [
        'LABEL   PROVIDERS  READY/MIN  BUILDING  IN USE  WAITING',
        'cloudy  -          0/0        0         0       0',
      ].join('\n'),
    );
    expect(providers.out).toBe(
      [
        'PROVIDER  DRIVER  NODES  STATE',
        'local     local   0/4    online',
        'rack      static  0      one: offline: new disks',
      ].join('\n'),
    );
    expect(JSON.parse(json.out).providers[1]).toMatchObject({
      name: 'rack',
      hosts: [{ name: 'one', offline: 'new disks' }],
    });
    // Who wants it is told why it waits.
    expect((await stackgate('run', 'array', '--detach')).code).toBe(0);
    await vi.waitFor(async () => {
      const { out } = await stackgate('request-list');
      expect(out).toMatch(
        /^JOB +LABEL +PRECEDENCE +STATE +SINCE +WHY, OR NODES\narray +array +\w+ +waiting +\d+s +rack: .*one: offline: new disks; next in line$/,
      );
    }, wait);
    expect((await stackgate('nodes', 'online', 'rack/one')).out).toBe('rack/one is online');
  });

  it('keep a node, open a shell of the job in it, and give it back', async () => {
    expect((await stackgate('run', 'patient', '--detach')).code).toBe(0);
    await vi.waitFor(
      async () => expect((await nodes()).find(({ provider }) => provider === 'local')?.state).toBe('in-use'),
      wait,
    );
    const { id = '', build } = (await nodes()).find(({ provider }) => provider === 'local') ?? {};
    const number = `${Number(id)}`;
    const held = await stackgate('nodes', 'hold', number, '--reason', 'look at br-ex', '--expires', '24h');
    expect(held.out).toBe(`node ${id} is held when its build has ended`);
    // The build waits for this file in its workspace.
    await vi.waitFor(async () => {
      const inside = await stackgate('ssh', number, '--', 'id -u; pwd; tty; touch go; exit 7');
      expect(inside.err).toBe('');
      expect(inside.code).toBe(7);
      const [user, folder, tty] = inside.out.split('\n');
      if (process.geteuid?.() === 0) expect(user).not.toBe('0');
      expect(folder).toMatch(/builds\/build-[0-9a-f]+\/job\/workspace$/);
      expect(tty).toBe('not a tty');
    }, wait);
    await vi.waitFor(
      async () => expect((await nodes()).find((node) => node.id === id)?.state).toBe('held'),
      wait,
    );
    const list = await stackgate('nodes', '--detail');
    expect(list.out.split('\n')[0]).toBe(
      'ID          PROVIDER  LABEL  MACHINE  ADDRESS  STATE  AGE  PRIVATE  ZONE  JOB      REASON',
    );
    expect(list.out).toMatch(
      new RegExp(
        `^${id}  local     local  local/0  -        held   \\d+s   -        -     patient  look at br-ex$`,
        'm',
      ),
    );

    // On a terminal: one of its own, which what runs there cannot leave.
    const uuid = build?.replace('build-', '').slice(0, 8) ?? '';
    const typed = await onTerminal(
      `tty; exec ${command.join(' ')} ssh ${uuid}`,
      ['tty; ls; exit 5\r'],
      story.siteFile,
    );
    if (typed !== undefined) {
      const terminals = new Set(typed.out.match(/\/dev\/pts\/\d+/g));
      expect(terminals.size).toBe(2);
      expect(typed.out).toMatch(/\bgo\b/);
      expect(typed.code).toBe(5);
    }
    expect((await stackgate('nodes', 'release', number)).out).toBe(`node ${id} goes back`);
    await vi.waitFor(async () => expect((await nodes()).some((node) => node.id === id)).toBe(false), wait);
  });

  it('hold the nodes of builds that fail, by either name', async () => {
    const wish = ['--project', 'org/demo', '--job', 'patient', '--reason', 'flaky snat'];
    const { out: id } = await stackgate('autohold', ...wish, '--node-hold-expiration', '3600');
    expect(id).toMatch(/^\d{10}$/);
    const list = await stackgate('hold', 'list');
    expect(list.out).toMatch(
      new RegExp(
        `^ID          PROJECT   JOB      CHANGE  CAUGHT  SINCE \\(UTC\\)          REASON\n${id}  org/demo  patient  any     0/1     \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d  flaky snat$`,
      ),
    );
    expect((await stackgate('hold', 'delete', id)).out).toBe(`hold ${id} is gone; 0 nodes go back`);
  });

  it('say what is wrong, and by their exit codes to scripts', async () => {
    const [absent, number, nobody, token, server, name] = await Promise.all([
      stackgate('nodes', 'release', '99'),
      stackgate('nodes', 'hold', 'x12', '--reason', 'y'),
      stackgate('ssh', '99'),
      stackgate('nodes', 'delete', '99', '--token', 'wrong'),
      stackgate('nodes', '--url', 'http://127.0.0.1:1/'),
      stackgate('nodes', 'offline', 'rack/two', '--reason', 'x'),
    ]);
    expect(absent).toMatchObject({ code: 3, out: '', err: expect.stringContaining('there is no node 99') });
    expect(number).toMatchObject({
      code: 2,
      err: 'stackgate: x12 is no number of a node\n  `stackgate nodes` lists them',
    });
    expect(nobody).toMatchObject({ code: 3, err: expect.stringContaining('node 99 is not there') });
    expect(token.code).toBe(4);
    expect(server.code).toBe(5);
    expect(name).toMatchObject({ code: 3, err: expect.stringContaining('provider rack has no host two') });
  });
});

/** Runs a command of a shell on a terminal and types, one line a second; undefined where node-pty is not installed. */
async function onTerminal(
  command: string,
  lines: readonly string[],
  site: string,
): Promise<Pick<Ran, 'code' | 'out'> | undefined> {
  const pty = await import('node-pty').catch(() => undefined);
  if (pty === undefined) {
    console.log('skipped: a shell on a terminal needs node-pty: npm install --include=optional');
    return undefined;
  }
  const env = { ...process.env, STACKGATE_CONFIG: site, TERM: 'dumb' };
  const terminal = pty.spawn('/bin/bash', ['-c', command], { cols: 200, rows: 40, env });
  let out = '';
  terminal.onData((data) => {
    out += data;
  });
  const ended = new Promise<number>((resolve) => terminal.onExit(({ exitCode }) => resolve(exitCode)));
  // The prompt of the inner shell.
  await vi.waitFor(() => expect(out).toMatch(/\$ $/), { timeout: 60_000, interval: 100 });
  for (const line of lines) terminal.write(line);
  const late = new Promise<number>((resolve) => {
    setTimeout(() => resolve(-1), 60_000).unref();
  });
  const code = await Promise.race([ended, late]);
  if (code === -1) terminal.kill();
  return { code, out };
}
