import { chmodSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, listening, openLab, PROJECT } from '../test/fixtures/gerritlab.ts';
import { ledgerOver } from './gerrit/ledger.ts';
import type { Intake } from './intake.ts';

let lab: Lab;
beforeEach(async () => {
  lab = await openLab();
});
afterEach(async () => {
  await lab[Symbol.asyncDispose]();
});

async function standing(more?: Parameters<Lab['intake']>[0]): Promise<Intake> {
  const intake = lab.intake(more);
  await listening(lab, intake);
  return intake;
}

describe('the stream', () => {
  it('brings every event into the ledger, once', async () => {
    const intake = await standing();
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
    await lab.gerrit.comment(pushed.number, 'recheck', { user: 'ann' });
    await lab.until('the comment is filed', async () => (await lab.facts('comment-added')).length === 1);
    expect((await lab.facts('patchset-created'))[0]).toMatchObject({
      connection: 'gerrit',
      via: 'stream',
      project: PROJECT,
      branch: 'master',
      number: String(pushed.number),
      patchset: '1',
      revision: pushed.revision,
      account: { username: 'ann' },
    });
    const [comment] = await lab.facts('comment-added');
    expect(comment?.comment).toBe('Patch Set 1:\n\nrecheck');
    lab.gerrit.repeat(2);
    lab.gerrit.inject({ type: 'topic-changed', change: { number: 1 }, eventCreatedOn: 5 });
    await lab.until('the last line is filed', async () => (await lab.facts('topic-changed')).length === 1);
    expect(await lab.facts('comment-added')).toHaveLength(1);
    expect(await lab.facts('patchset-created')).toHaveLength(1);
    await lab.until('our own name is known', () => intake.state().fullName === 'Acme Storage CI');
    expect(intake.state().warnings).toEqual([]);
  });

  it('takes events in any cut, and numbers as strings', async () => {
    await standing();
    lab.gerrit.faults.splitEvents = 7;
    lab.gerrit.faults.stringNumbers = true;
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann', commitMessage: 'Grüße an alle 🎉' });
    await lab.gerrit.comment(pushed.number, 'naïve 🎉', { user: 'ann' });
    const found = await lab.until('the comment', async () => (await lab.facts('comment-added'))[0]);
    expect(found).toMatchObject({ number: String(pushed.number), comment: 'Patch Set 1:\n\nnaïve 🎉' });
  });

  it('survives garbage, broken UTF-8, NUL, unknown types and a line of 10 MB', async () => {
    const intake = await standing();
    const line = (text: string) => lab.gerrit.inject(Buffer.from(`${text}\n`));
    line('no json');
    line('{"type":');
    line('[1,2]');
    line('{"type":"x","a":"\0"}');
    line('{"type":{"a":1}}');
    line('['.repeat(100_000));
    lab.gerrit.inject(
      Buffer.concat([
        Buffer.from('{"type":"odd","comment":"'),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('"}\n'),
      ]),
    );
    line(`{"type":"comment-added","comment":"${'x'.repeat(10 * 1024 * 1024)}","change":{"number":7}}`);
    line('{"type":"never-heard-of","__proto__":{"polluted":true},"change":{"number":"8","branch":5}}');
    await lab.until('the last one is filed', async () => (await lab.facts('never-heard-of')).length === 1);
    expect((await lab.facts('comment-added'))[0]?.comment).toHaveLength(65_536);
    expect((await lab.facts('odd'))[0]?.comment).toBe('\ufffd\ufffd');
    expect(intake.state().stream.counts).toMatchObject({ odd: 7, connects: 1 });
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('throws away a line without end and goes on behind it', async () => {
    const intake = await standing();
    lab.gerrit.inject(Buffer.alloc(17 * 1024 * 1024, 'x'));
    lab.gerrit.inject(Buffer.from('\n{"type":"after"}\n'));
    await lab.until('the line behind is filed', async () => (await lab.facts('after')).length === 1);
    expect(intake.state().stream.counts.odd).toBe(1);
  });
});

describe('what the stream does not bring', () => {
  it.each(['rst', 'fin'] as const)(
    'reconnects after a cut (%s) and finds what happened meanwhile',
    async (how) => {
      const intake = await standing();
      const before = await lab.gerrit.push(PROJECT, { user: 'ann' });
      await lab.until(
        'the stream brought it',
        async () => (await lab.facts('patchset-created')).length === 1,
      );
      // However soon it reconnects, none of these comes by the stream.
      lab.gerrit.faults.swallowEvents = 1_000;
      lab.gerrit.cut('streams', how);
      const missed = await lab.gerrit.push(PROJECT, { user: 'ann' });
      await lab.gerrit.push(PROJECT, { user: 'ann', change: before.number });
      await lab.gerrit.comment(before.number, 'recheck', { user: 'ann' });
      await lab.gerrit.vote(missed.number, { 'Code-Review': 2 });
      await lab.gerrit.abandon(before.number);
      await lab.until('it stands again', () => intake.state().stream.counts.connects === 2);
      await intake.sweep('requested');
      const created = await lab.facts('patchset-created');
      expect(created.map(({ number, patchset }) => `${number},${patchset}`).sort()).toEqual([
        `${before.number},1`,
        `${before.number},2`,
        `${missed.number},1`,
      ]);
      const comments = await lab.facts('comment-added');
      const recheck = comments.find(({ number }) => number === String(before.number));
      const vote = comments.find(({ number }) => number === String(missed.number));
      expect(recheck).toMatchObject({ via: 'reconcile', patchset: '2', account: { username: 'ann' } });
      expect(vote?.approvals).toContainEqual({ label: 'Code-Review', value: 2, oldValue: 0 });
      const sweeps = await ledgerOver(lab.store, lab.store).sweeps('gerrit', 100);
      expect(sweeps.map(({ reason }) => reason)).toEqual(['requested', 'reconnect', 'start', 'origin']);
      expect(sweeps.reduce((sum, { filed }) => sum + filed, 0)).toBe(5);
      await lab.until('the gap is closed', () =>
        intake.state().stream.gaps.every((gap) => gap.reconciledAt !== undefined),
      );
      expect(intake.state().stream.gaps).toHaveLength(1);
      expect(await intake.sweep('requested')).toMatchObject({ missed: 0, filed: 0 });
    },
  );

  it('notices a connection that is silently dead', async () => {
    const intake = await standing({
      probeInterval: 100,
      probeDeadline: 200,
      readyTimeout: 500,
      commandDeadline: 500,
    });
    lab.gerrit.freeze('streams');
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
    await lab.until('the change is found', async () => (await lab.facts('patchset-created')).length === 1);
    expect((await lab.facts('patchset-created'))[0]).toMatchObject({
      number: String(pushed.number),
      via: 'reconcile',
    });
    expect(intake.state().stream.gaps[0]?.reason).toMatch(/silent/);
  });

  it('notices a stream that stands but is mute, and opens it again', async () => {
    let ahead = -30_000;
    const intake = lab.intake({}, () => Date.now() + ahead);
    await listening(lab, intake);
    lab.gerrit.faults.swallowEvents = 100;
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
    await lab.gerrit.comment(pushed.number, 'recheck', { user: 'ann' });
    ahead = 30_000;
    expect(await intake.sweep('requested')).toMatchObject({ missed: 2, filed: 2 });
    expect(await lab.facts('comment-added')).toMatchObject([{ via: 'reconcile' }]);
    await lab.until('it was opened again', () => intake.state().stream.counts.connects === 2);
    expect(intake.state().stream.gaps[0]?.reason).toMatch(/did not bring 2 events/);
  });

  it('closes the gap of dropped-output', async () => {
    const intake = await standing();
    lab.gerrit.faults.swallowEvents = 1_000;
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
    lab.gerrit.faults.swallowEvents = 0;
    lab.gerrit.inject({ type: 'dropped-output', eventCreatedOn: Math.floor(Date.now() / 1000) });
    await lab.until('the sweep found it', async () => (await lab.facts('patchset-created')).length === 1);
    expect((await lab.facts('patchset-created'))[0]?.number).toBe(String(pushed.number));
    await lab.until('recorded', () => intake.state().sweep?.reason === 'dropped-output');
    expect(intake.state().stream.gaps).toMatchObject([{ reason: 'dropped-output' }]);
  });

  it('starts over when the ledger stands still and its own queue is full', async () => {
    const file = lab.store.file.bind(lab.store);
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    lab.store.file = async (facts) => {
      await gate;
      return await file(facts);
    };
    const intake = lab.intake();
    await lab.until('the stream stands', () => intake.state().stream.phase.kind === 'connected');
    const many = Array.from(
      { length: 10_100 },
      (_, n) => `{"type":"burst","change":{"number":${n + 1}}}\n`,
    ).join('');
    lab.gerrit.inject(Buffer.from(many));
    await lab.until('it lets go', () => intake.state().stream.gaps.length > 0);
    expect(intake.state().stream.gaps[0]?.reason).toMatch(/our own queue/);
    open();
    await lab.until('it stands again', () => intake.state().stream.counts.connects === 2);
    expect((await lab.facts('burst')).length).toBeGreaterThanOrEqual(10_000);
  });

  it('loses nothing over restarts of Gerrit and of itself', async () => {
    const first = await standing();
    await lab.gerrit.down();
    await lab.gerrit.push(PROJECT, { user: 'ann' });
    await lab.gerrit.up();
    await lab.until(
      'found after the restart of Gerrit',
      async () => (await lab.facts('patchset-created')).length === 1,
    );
    await first[Symbol.asyncDispose]();
    await lab.gerrit.push(PROJECT, { user: 'ann' });
    const second = await standing();
    await lab.until('found after our own', async () => (await lab.facts('patchset-created')).length === 2);
    expect(await second.sweep('requested')).toMatchObject({ missed: 0 });
  });
});

describe('a sweep', () => {
  it('does not flood on the very first start, but looks back when asked to', async () => {
    await lab.gerrit.push(PROJECT, { user: 'ann' });
    await new Promise((resolve) => setTimeout(resolve, 1_001 - (Date.now() % 1_000)));
    const intake = await standing();
    expect(intake.state().sweep).toMatchObject({ reason: 'start', missed: 0 });
    expect(await lab.facts()).toEqual([]);
    await intake[Symbol.asyncDispose]();
    const other = await standing({ connection: 'again', lookBack: 3_600_000 });
    expect(other.state().sweep).toMatchObject({ missed: 1, filed: 1 });
  });

  it('proves that nothing was missed, comments of one second and one author included', async () => {
    const intake = await standing();
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
    for (const text of ['recheck', 'one', 'two', 'three'])
      await lab.gerrit.comment(pushed.number, text, { user: 'ann' });
    await lab.gerrit.comment(pushed.number, 'as a reply', { user: 'ann', patchsetLevel: true });
    await lab.gerrit.vote(pushed.number, { 'Code-Review': 2 }, { message: 'fine' });
    await lab.gerrit.vote(pushed.number, { Verified: 1 });
    await lab.gerrit.submit(pushed.number);
    await lab.until('the merge is filed', async () => (await lab.facts('change-merged')).length === 1);
    const before = (await lab.facts()).length;
    expect(await intake.sweep('requested')).toMatchObject({ found: 9, missed: 0, filed: 0 });
    expect(await lab.facts()).toHaveLength(before);
  });

  it('files the one missed comment among delivered ones of the same author', async () => {
    const intake = await standing();
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
    await lab.gerrit.comment(pushed.number, 'first', { user: 'ann' });
    lab.gerrit.faults.swallowEvents = 1_000;
    await lab.gerrit.comment(pushed.number, 'recheck', { user: 'ann' });
    lab.gerrit.faults.swallowEvents = 0;
    await lab.gerrit.comment(pushed.number, 'last', { user: 'ann' });
    await lab.until('two are filed', async () => (await lab.facts('comment-added')).length === 2);
    expect(await intake.sweep('requested')).toMatchObject({ missed: 1, filed: 1 });
    const [, , found] = await lab.facts('comment-added');
    expect(found).toMatchObject({ via: 'reconcile', comment: 'Patch Set 1:\n\nrecheck' });
    expect(await intake.sweep('requested')).toMatchObject({ missed: 0, filed: 0 });
  });

  it('does not file what is only late', async () => {
    const intake = await standing({ reconcileGrace: 2_000 });
    lab.gerrit.faults.stallStreams = true;
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
    await lab.gerrit.comment(pushed.number, 'recheck', { user: 'ann' });
    const asked = lab.gerrit.commands().length;
    const sweep = intake.sweep('requested');
    await lab.until('Gerrit was asked', () => lab.gerrit.commands().length > asked);
    lab.gerrit.faults.stallStreams = false;
    lab.gerrit.wake();
    expect(await sweep).toMatchObject({ missed: 0, filed: 0 });
    expect((await lab.facts('comment-added'))[0]).toMatchObject({ via: 'stream' });
  });

  it('files once what arrives even later than the grace', async () => {
    const intake = await standing({ reconcileGrace: 10 });
    lab.gerrit.faults.stallStreams = true;
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
    await lab.gerrit.comment(pushed.number, 'recheck', { user: 'ann' });
    expect(await intake.sweep('requested')).toMatchObject({ missed: 2, filed: 2 });
    lab.gerrit.faults.stallStreams = false;
    lab.gerrit.wake();
    const lines = intake.state().stream.counts.events;
    await lab.until('the stream brought them too', () => intake.state().stream.counts.events >= lines + 2);
    lab.gerrit.inject({ type: 'end', eventCreatedOn: 1 });
    await lab.until('all is filed', async () => (await lab.facts('end')).length === 1);
    expect(await lab.facts('comment-added')).toHaveLength(1);
    expect(await lab.facts('patchset-created')).toHaveLength(1);
  });

  it.each([2, -2])('reads Gerrit’s clock off its events, though it is %i hours off', async (hours) => {
    const other = await openLab({ now: () => Date.now() + hours * 3_600_000 });
    try {
      const intake = other.intake();
      await listening(other, intake);
      await other.gerrit.push(PROJECT, { user: 'ann' });
      await other.until(
        'the stream brought it',
        async () => (await other.facts('patchset-created')).length === 1,
      );
      other.gerrit.faults.swallowEvents = 1_000;
      await other.gerrit.push(PROJECT, { user: 'ann' });
      expect(await intake.sweep('requested')).toMatchObject({ found: 2, missed: 1, filed: 1 });
      expect(await intake.sweep('requested')).toMatchObject({ missed: 0 });
    } finally {
      await other[Symbol.asyncDispose]();
    }
  });

  it('records a failure, and proves the same time again later', async () => {
    const intake = await standing();
    const proven = intake.state().sweep?.to ?? 0;
    await lab.gerrit.down();
    await expect(intake.sweep('requested')).rejects.toMatchObject({ code: 'gerrit-away' });
    expect(intake.state().sweep).toMatchObject({ to: proven, failed: expect.any(String) });
    await lab.gerrit.up();
    const again = await intake.sweep('requested');
    expect(again.failed).toBeUndefined();
    expect(again.from).toBeLessThanOrEqual(proven);
  });
});

describe('at a closed door', () => {
  const waiting = (intake: Intake) =>
    lab.until('it waits', () => {
      const { phase } = intake.state().stream;
      return phase.kind === 'waiting' ? phase : undefined;
    });

  it('refuses a host key that is not pinned, and prints the line to add', async () => {
    await lab.gerrit.down();
    const old = lab.gerrit.hostKey;
    await lab.gerrit.up({ newHostKey: true });
    const intake = lab.intake({ hostKeys: old });
    const { fault, until } = await waiting(intake);
    expect(fault.code).toBe('gerrit-host-key');
    expect(fault.hint).toContain(
      `[127.0.0.1]:${lab.gerrit.port} ${lab.gerrit.hostKey.split(' ').slice(0, 2).join(' ')}`,
    );
    expect(until - Date.now()).toBeGreaterThan(20_000);
    const line = /\[127\S+ \S+ \S+$/.exec(fault.hint ?? '')?.[0] ?? '';
    await listening(lab, lab.intake({ hostKeys: line }));
  });

  it('does not hammer after a refused login', async () => {
    lab.gerrit.faults.refuseLogins = true;
    const intake = lab.intake();
    const { fault, until } = await waiting(intake);
    expect(fault).toMatchObject({ code: 'gerrit-login', retry: false });
    expect(fault.hint).toContain('public half');
    expect(until - Date.now()).toBeGreaterThan(20_000);
    await expect(intake.sweep('requested')).rejects.toMatchObject({
      code: 'gerrit-login',
      message: expect.stringMatching(/not tried again for/),
    });
  });

  it('says which right is missing', async () => {
    lab.gerrit.revoke('streamEvents', 'Service Users');
    const { fault } = await waiting(lab.intake());
    expect(fault.code).toBe('gerrit-permission');
    expect(fault.hint).toContain('Stream Events');
  });

  it('wants a private key that others cannot read', async () => {
    chmodSync(lab.login.keyFile, 0o644);
    const { fault } = await waiting(lab.intake());
    expect(fault).toMatchObject({ code: 'config-invalid', hint: `Run: chmod 600 ${lab.login.keyFile}` });
  });

  it('warns when the name of the account hides its results', async () => {
    lab.gerrit.account('ci', { name: 'acme-ci', groups: ['Service Users'] });
    const intake = await standing();
    const [warning] = await lab.until('a warning', () => {
      const { warnings } = intake.state();
      return warnings.length > 0 && warnings;
    });
    expect(warning).toContain('"acme-ci"');
  });
});
