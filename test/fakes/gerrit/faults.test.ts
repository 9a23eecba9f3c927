import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { SERVICE_USERS } from './access.ts';
import { connectConfig, listen, run } from './client.ts';
import { startGerrit } from './server.ts';

async function start() {
  const gerrit = await startGerrit();
  const ci = gerrit.account('ci', { groups: [SERVICE_USERS] });
  await gerrit.createProject('org/demo');
  return { gerrit, ci };
}

describe('connections', () => {
  it.each(['rst', 'fin'] as const)('are cut by %s', async (how) => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    using stream = await listen(gerrit, ci);
    gerrit.cut('streams', how);
    await gerrit.waitFor(() => stream.ended() && gerrit.streams() === 0);
    expect((await run(gerrit, ci, 'gerrit version')).code).toBe(0);
  });

  it('freeze half-open: TCP is up, keepalives go unanswered; thawed, everything arrives', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    using deaf = await listen(gerrit, ci);
    using careful = await listen(gerrit, ci, '', { keepaliveInterval: 100, keepaliveCountMax: 2 });
    gerrit.freeze();
    await gerrit.push('org/demo');
    // The careful client notices by its keepalives, the other one by nothing.
    await gerrit.waitFor(() => careful.ended());
    expect(deaf.ended()).toBe(false);
    expect(deaf.lines()).toEqual([]);
    const socket = connect(gerrit.port, gerrit.host);
    await new Promise((resolve) => socket.once('connect', resolve));
    let heard = 0;
    socket.on('data', (bytes) => {
      heard += bytes.length;
    });
    expect(heard).toBe(0);
    gerrit.thaw();
    await gerrit.waitFor(() => deaf.types().includes('patchset-created') && heard > 0);
    socket.destroy();
  });

  it('survive a rekey of the server', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    using stream = await listen(gerrit, ci, '-s patchset-created');
    gerrit.rekey();
    await gerrit.push('org/demo');
    await gerrit.waitFor(() => stream.types().includes('patchset-created'));
    gerrit.rekey();
    await gerrit.push('org/demo');
    await gerrit.waitFor(() => stream.types().length === 2);
  });

  it('end when the server goes down; it comes back on its port, with a new host key if told so', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    using stream = await listen(gerrit, ci);
    const key = gerrit.hostKey;
    await gerrit.down();
    await gerrit.waitFor(() => stream.ended());
    await expect(run(gerrit, ci, 'gerrit version')).rejects.toThrow('ECONNREFUSED');
    await gerrit.up();
    expect(gerrit.hostKey).toBe(key);
    expect((await run(gerrit, ci, 'gerrit version')).code).toBe(0);
    await gerrit.down();
    await gerrit.up({ newHostKey: true });
    expect(gerrit.hostKey).not.toBe(key);
    const hostVerifier = (offered: Buffer) => key.includes(offered.toString('base64'));
    await expect(listen(gerrit, ci, '', { hostVerifier })).rejects.toThrow('Host denied');
  });

  it('refuse logins, of all or some', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    gerrit.faults.refuseLogins = ['ci'];
    await expect(run(gerrit, ci, 'gerrit version')).rejects.toThrow('authentication methods failed');
    expect((await run(gerrit, gerrit.account('admin'), 'gerrit version')).code).toBe(0);
    gerrit.faults.refuseLogins = true;
    await expect(run(gerrit, gerrit.account('admin'), 'gerrit version')).rejects.toThrow('authentication');
    gerrit.faults.refuseLogins = false;
    gerrit.revoke('streamEvents', SERVICE_USERS);
    expect(await run(gerrit, ci, 'gerrit stream-events')).toMatchObject({
      code: 1,
      stderr: 'stream events not permitted\n',
    });
    expect(connectConfig(gerrit, ci)).toMatchObject({ username: 'ci' });
  });
});

describe('commands', () => {
  it('fail, and are cut amid their output', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    await gerrit.push('org/demo');
    const stderr = 'fatal: internal server error\n';
    gerrit.faults.failCommand = { prefix: 'gerrit query', times: 1, exit: 128, stderr };
    const query = 'gerrit query --format=JSON change:1';
    expect(await run(gerrit, ci, query)).toEqual({ code: 128, stdout: '', stderr });
    gerrit.faults.cutCommand = { prefix: 'gerrit query', times: 1, bytes: 100 };
    const cut = await run(gerrit, ci, query);
    expect(cut.code).toBeUndefined();
    expect(cut.stdout).toHaveLength(100);
    expect((await run(gerrit, ci, query)).code).toBe(0);
  });

  it('are refused to a user with too many connections', async () => {
    await using gerrit = await startGerrit({ maxConnectionsPerUser: 2 });
    const admin = gerrit.account('admin');
    using _one = await listen(gerrit, admin);
    using _two = await listen(gerrit, admin);
    await expect(listen(gerrit, admin)).rejects.toThrow(/closed|ECONNRESET|lost/);
    expect((await run(gerrit, gerrit.account('ann'), 'gerrit version')).code).toBe(0);
  });
});

describe('events', () => {
  it('are split at any byte', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    gerrit.faults.splitEvents = 7;
    using stream = await listen(gerrit, ci, '-s patchset-created');
    await gerrit.push('org/demo', { commitMessage: 'ü€😀' });
    await gerrit.waitFor(() => stream.types().length === 1);
    expect(stream.chunks.length).toBeGreaterThan(50);
    expect(stream.chunks.some((c) => Buffer.from(c.toString()).compare(c) !== 0)).toBe(true);
    expect(stream.lines()[0]).toContain('ü€😀');
  });

  it('are swallowed, and delivered again, out of order', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    using stream = await listen(gerrit, ci, '-s comment-added');
    await gerrit.push('org/demo');
    // A review is two events: the meta ref and the comment.
    gerrit.faults.swallowEvents = 2;
    await gerrit.comment(1, 'lost');
    await gerrit.comment(1, 'seen');
    await gerrit.waitFor(() => stream.lines().length === 1);
    expect(stream.lines()[0]).toContain('seen');
    expect(gerrit.reviews().map((r) => r.message)).toEqual(['lost', 'seen']);
    gerrit.repeat(4, { reversed: true });
    await gerrit.waitFor(() => stream.lines().length === 3);
    expect(stream.events().map((e) => String(e['comment']).slice(-4))).toEqual(['seen', 'seen', 'lost']);
  });

  it('are old, incomplete, foreign, huge or no JSON at all', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    using stream = await listen(gerrit, ci, '-s patchset-created');
    gerrit.faults.stringNumbers = true;
    gerrit.faults.missingFields = ['change.owner', 'uploader'];
    await gerrit.push('org/demo');
    await gerrit.waitFor(() => stream.lines().length === 1);
    const [old] = stream.events();
    expect(old).toMatchObject({ change: { number: '1' }, patchSet: { number: '1', sizeInsertions: 1 } });
    expect(old).not.toHaveProperty('change.owner');
    expect(old).not.toHaveProperty('uploader');
    expect((await run(gerrit, ci, 'gerrit query --format=JSON change:1')).stdout).toContain('"number":"1"');

    gerrit.inject({ type: 'ref-replicated', project: 'org/demo' });
    gerrit.inject(Buffer.from([0x7b, 0xff, 0xfe, 0x0a]));
    gerrit.inject({ type: 'big', text: 'x'.repeat(10 * 1024 * 1024) });
    await gerrit.waitFor(() => stream.lines().length === 4);
    expect(stream.lines()[1]).toBe('{"type":"ref-replicated","project":"org/demo"}');
    expect(stream.lines()[3]?.length).toBeGreaterThan(10 * 1024 * 1024);
  });

  it('come before queries know of them', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    await gerrit.push('org/demo');
    gerrit.faults.queryLag = 60_000;
    await gerrit.vote(1, { Verified: 1 });
    await gerrit.push('org/demo', { change: 1 });
    const ask = async () =>
      (await run(gerrit, ci, 'gerrit query --format=JSON --current-patch-set 1')).stdout;
    expect(await ask()).toContain('"currentPatchSet":{"number":1,');
    expect(await ask()).not.toContain('Verified');
    expect(gerrit.events().at(-1)).toContain('"patchSet":{"number":2,');
    gerrit.faults.queryLag = 0;
    expect(await ask()).toContain('"currentPatchSet":{"number":2,');
    await gerrit.push('org/demo', { change: 1 });
    expect(await ask()).toContain('"number":3');
  });
});

describe('reviews', () => {
  const post = JSON.stringify({ message: 'result', labels: { Verified: 1 } });

  it('are applied and their answer lost', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    await gerrit.push('org/demo');
    gerrit.faults.review = { kind: 'lost-after', times: 1 };
    expect((await run(gerrit, ci, 'gerrit review --json 1,1', post)).code).toBeUndefined();
    expect(gerrit.reviews()).toHaveLength(1);
    expect((await run(gerrit, ci, 'gerrit review --json 1,1', post)).code).toBe(0);
    expect(gerrit.reviews()).toHaveLength(2);
  });

  it('are lost before they were applied', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    await gerrit.push('org/demo');
    gerrit.faults.review = { kind: 'lost-before', times: 1 };
    expect((await run(gerrit, ci, 'gerrit review --json 1,1', post)).code).toBeUndefined();
    expect(gerrit.reviews()).toHaveLength(0);
  });

  it('are refused with a given text, and answered late', async () => {
    const { gerrit, ci } = await start();
    await using _ = gerrit;
    await gerrit.push('org/demo');
    gerrit.faults.review = { kind: 'refused', times: 2, text: 'internal server error' };
    expect(await run(gerrit, ci, 'gerrit review --json 1,1', post)).toMatchObject({
      code: 1,
      stderr: 'error: internal server error\n\nfatal: one or more reviews failed; review output above\n',
    });
    gerrit.faults.review = null;
    gerrit.faults.slowCommand = { prefix: 'gerrit review', ms: 100 };
    const began = performance.now();
    expect((await run(gerrit, ci, 'gerrit review --json 1,1', post)).code).toBe(0);
    expect(performance.now() - began).toBeGreaterThan(99);
  });
});
