import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, openLab, PROJECT } from '../../test/fixtures/gerritlab.ts';
import type { Commands } from './commands.ts';

let lab: Lab;
const never = new AbortController().signal;
beforeEach(async () => {
  lab = await openLab();
});
afterEach(async () => {
  await lab[Symbol.asyncDispose]();
});

const version = (commands: Commands, signal = never) =>
  commands.exec('gerrit version', { signal, repeatable: true });

describe('commands', () => {
  it('share one connection, a few at once', async () => {
    const { commands } = lab.connection();
    const answers = await Promise.all(Array.from({ length: 40 }, () => version(commands)));
    expect(new Set(answers.map(({ code, stdout }) => `${code} ${stdout}`))).toEqual(
      new Set(['0 gerrit version 3.10.2\n']),
    );
    expect(lab.gerrit.connections()).toBe(1);
  });

  it('answer with exit status and both outputs', async () => {
    const { commands } = lab.connection();
    const failed = await commands.exec('gerrit foo', { signal: never });
    expect(failed).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('not found') });
  });

  it('wait for the exit status, which Gerrit sends after the end of the output', async () => {
    lab.gerrit.faults.exitLag = 30;
    const { commands } = lab.connection();
    const input = { signal: never, stdin: '{}'.padEnd(200_000) };
    expect(await version(commands)).toMatchObject({ code: 0 });
    expect(await commands.exec('gerrit foo', input)).toMatchObject({ code: 1 });
    expect(await commands.greeting(never)).toContain('Hi Acme Storage CI,');
  });

  it('are sent once more when that harms nothing', async () => {
    const { commands } = lab.connection();
    await version(commands);
    for (const how of ['rst', 'fin'] as const) {
      lab.gerrit.cut('all', how);
      expect(await version(commands)).toMatchObject({ code: 0 });
    }
    await lab.gerrit.down();
    await expect(version(commands)).rejects.toMatchObject({ code: 'gerrit-away', retry: true });
    await lab.gerrit.up();
    expect(await version(commands)).toMatchObject({ code: 0 });
  });

  it('meet their deadline on a frozen connection, and the next gets a fresh one', async () => {
    const { commands } = lab.connection({ commandDeadline: 300 });
    await version(commands);
    lab.gerrit.freeze('all');
    await expect(version(commands)).rejects.toMatchObject({ code: 'deadline' });
    lab.gerrit.thaw();
    expect(await version(commands)).toMatchObject({ code: 0 });
    await lab.until('the frozen one is gone', () => lab.gerrit.connections() === 1);
  });

  it('can be called off, waiting or running', async () => {
    lab.gerrit.faults.slowCommand = { prefix: 'gerrit version', ms: 5_000 };
    const { commands } = lab.connection({ commandConcurrency: 1 });
    const stop = new AbortController();
    const running = version(commands, stop.signal);
    const waiting = version(commands, stop.signal);
    await lab.until('one runs', () => lab.gerrit.commands().length === 1);
    stop.abort();
    await expect(running).rejects.toMatchObject({ code: 'stopped' });
    await expect(waiting).rejects.toMatchObject({ code: 'stopped' });
    await expect(version(commands, stop.signal)).rejects.toMatchObject({ code: 'stopped' });
    lab.gerrit.faults.slowCommand = null;
    expect(await version(commands)).toMatchObject({ code: 0 });
  });

  it('survive new session keys, and end with the connection', async () => {
    const { commands } = lab.connection();
    await version(commands);
    lab.gerrit.rekey();
    expect(await version(commands)).toMatchObject({ code: 0 });
    await commands[Symbol.asyncDispose]();
    await expect(version(commands)).rejects.toMatchObject({ code: 'stopped' });
    await lab.until('hung up', () => lab.gerrit.connections() === 0);
  });

  it('give git a channel', async () => {
    const { commands } = lab.connection();
    const channel = await commands.channel(`git-upload-pack '${PROJECT}'`, {});
    const first = await new Promise<string>((resolve) =>
      channel.once('data', (chunk: Buffer) => resolve(chunk.toString())),
    );
    expect(first).toMatch(/^[0-9a-f]{4}[0-9a-f]{40} /);
    channel.destroy();
  });

  it('do not take the connection from under git when one of them is late', async () => {
    const { commands } = lab.connection({ commandDeadline: 200 });
    const channel = await commands.channel(`git-upload-pack '${PROJECT}'`, {});
    let closed = false;
    channel.once('close', () => {
      closed = true;
    });
    channel.resume();
    lab.gerrit.faults.slowCommand = { prefix: 'gerrit version', ms: 400 };
    await expect(version(commands)).rejects.toMatchObject({ code: 'deadline' });
    lab.gerrit.faults.slowCommand = null;
    expect(await version(commands)).toMatchObject({ code: 0 });
    expect({ closed, connections: lab.gerrit.connections() }).toEqual({ closed: false, connections: 2 });
    channel.end('0000');
    await lab.until('the retired connection is gone', () => closed && lab.gerrit.connections() === 1);
  });
});
