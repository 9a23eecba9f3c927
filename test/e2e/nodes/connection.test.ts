import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { quoted } from '../../../nodepool/remote.ts';
import { NodeConnection } from '../../../nodepool/ssh/connection.ts';
import { scanHostKeys } from '../../../nodepool/ssh/scan.ts';
import { makeKeyPair } from '../../fakes/gerrit/keys.ts';
import { freePort, missing, openSshd, type Sshd, silentServer } from './sshd.ts';

const why = missing();
/** Typed, where expect's own matcher is any. */
const textWith = (part: string): unknown => expect.stringContaining(part);
const soon = () => AbortSignal.timeout(30_000);

describe.skipIf(why !== undefined)(`a connection to a node${why === undefined ? '' : ` (${why})`}`, () => {
  let sshd: Sshd;
  let node: NodeConnection;
  const run = (script: string, input?: string | Uint8Array) =>
    node.run(script, { signal: soon(), deadline: 20_000, ...(input === undefined ? {} : { input }) });

  beforeAll(async () => {
    sshd = await openSshd();
    node = new NodeConnection(sshd.target);
  });
  afterAll(async () => {
    await node[Symbol.asyncDispose]();
    await sshd[Symbol.asyncDispose]();
  });

  test('runs a script and tells its end', async () => {
    expect(await run('echo out; echo err >&2; exit 7')).toEqual({
      code: 7,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(await run('kill -KILL $$')).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(await run('true')).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  });

  test('the script stands on no command line, and its input arrives byte for byte', async () => {
    const input = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 256));
    const { stdout } = await run('wc -c; tr "\\0" " " </proc/$$/cmdline # secret-word', input);
    expect(stdout).toMatch(/^300000\n/);
    expect(stdout).not.toContain('secret-word');
  });

  test('words of strangers come back as they were', async () => {
    for (const word of ['', "it's", '$(id)', 'a\nb', '`x`', '!', '\\', '-n', 'é "q"']) {
      expect((await run(`printf '%s' ${quoted(word)}`)).stdout).toBe(word);
    }
    const long = 'x'.repeat(300_000);
    expect((await run(`printf '%s' ${quoted(long)}`)).stdout).toBe(long);
  });

  test('fifty at once queue for the sessions that sshd allows', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => run(`sleep 0.05; echo ${index}`)),
    );
    expect(answers.map(({ stdout }) => Number(stdout))).toEqual(
      Array.from({ length: 50 }, (_, index) => index),
    );
  });

  test('a server that allows two sessions is asked again, and nothing runs twice', async () => {
    await using narrow = await openSshd({ maxSessions: 2 });
    await using patient = new NodeConnection(narrow.target);
    const asked = Array.from({ length: 12 }, (_, index) =>
      patient.run(`sleep 0.05; echo ${index}`, { signal: soon(), deadline: 20_000 }),
    );
    const answers = await Promise.all(asked);
    expect(answers.map(({ stdout }) => stdout)).toEqual(asked.map((_, index) => `${index}\n`));
  });

  test('a deadline ends the wait, and the script', async () => {
    const late = node.run('echo $$ >&2; exec sleep 300', { signal: soon(), deadline: 300 });
    await expect(late).rejects.toMatchObject({ code: 'deadline' });
    expect((await run('true')).code).toBe(0);
  });

  test('a signal calls it off', async () => {
    const stop = new AbortController();
    const off = node.run('sleep 300', { signal: stop.signal, deadline: 60_000 });
    stop.abort();
    await expect(off).rejects.toMatchObject({ code: 'stopped' });
  });

  test('a connection that is cut fails what runs, and is opened again for what comes', async () => {
    await run('true');
    const cut = run('sleep 300');
    cut.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await sshd.cutConnections()).toBeGreaterThan(0);
    await expect(cut).rejects.toMatchObject({ code: 'node-away', retry: true });
    expect((await run('echo back')).stdout).toBe('back\n');
  });

  test('an unread stream waits on the node', async () => {
    const process = await node.spawn('exec 2>/dev/null; yes | head -c 100000000; echo done', soon());
    process.stdin.end();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(process.stdout.readableLength).toBeLessThan(4 * 1024 * 1024);
    let bytes = 0;
    for await (const chunk of process.stdout) bytes += Buffer.byteLength(chunk);
    expect(bytes).toBe(100_000_005);
    expect((await process.ended).code).toBe(0);
  });

  test('scans the host keys', async () => {
    const keys = await scanHostKeys('127.0.0.1', sshd.port, soon());
    expect(keys.map((key) => key.split(' ')[0])).toEqual(['ssh-ed25519', 'ecdsa-sha2-nistp256']);
    for (const key of keys) expect(sshd.target.hostKeys.join('')).toContain(key);
  });

  test('a host key that is not pinned is refused with the key that was shown', async () => {
    const other = makeKeyPair('').publicKey;
    const stranger = new NodeConnection({ ...sshd.target, hostKeys: [other] });
    const refused = stranger.run('true', { signal: soon(), deadline: 10_000 });
    await expect(refused).rejects.toMatchObject({
      code: 'node-host-key',
      retry: false,
      hint: textWith('ssh-ed25519 AAAA'),
    });
    await stranger[Symbol.asyncDispose]();
  });

  test('a login that is refused says what to do', async () => {
    const nobody = new NodeConnection({ ...sshd.target, user: 'nosuchuser' });
    await expect(nobody.run('true', { signal: soon(), deadline: 10_000 })).rejects.toMatchObject({
      code: 'node-login',
      hint: textWith('authorized_keys'),
    });
    await nobody[Symbol.asyncDispose]();
  });

  test('nobody there, and somebody who never answers, are told apart', async () => {
    const absent = new NodeConnection({ ...sshd.target, port: await freePort() });
    const asked = absent.run('true', { signal: soon(), deadline: 10_000 });
    await expect(asked).rejects.toMatchObject({ code: 'node-away', retry: true });
    const quiet = await silentServer();
    const mute = new NodeConnection({ ...sshd.target, port: quiet.port, connectDeadline: 300 });
    await expect(mute.run('true', { signal: soon(), deadline: 10_000 })).rejects.toMatchObject({
      code: 'deadline',
      message: textWith('accepted'),
    });
    await Promise.all([absent[Symbol.asyncDispose](), mute[Symbol.asyncDispose](), quiet.close()]);
  });
});
