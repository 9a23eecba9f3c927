import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { callControl } from './control.ts';
import { startGerrit } from './server.ts';

const Ready = z.object({
  port: z.number(),
  hostKey: z.string(),
  control: z.string(),
  dir: z.string(),
  adminKeyFile: z.string(),
});

let dir: string;
const children: ChildProcess[] = [];
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'gerrit-main-'));
});
afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(dir, { recursive: true, force: true });
});

async function launch(port = 0) {
  const main = join(import.meta.dirname, 'main.ts');
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', main, '--dir', join(dir, 'site'), '--port', String(port)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  children.push(child);
  const [line] = z.tuple([z.string()]).parse(await once(createInterface(child.stdout), 'line'));
  return { child, ready: Ready.parse(JSON.parse(line)) };
}

describe('standalone', { timeout: 60_000 }, () => {
  it('is driven over HTTP, and knows all it acknowledged after SIGKILL', async () => {
    const { child, ready } = await launch();
    const ask = async (name: string, args?: object) => callControl(ready.control, name, args);
    await ask('createProject', { project: 'org/demo' });
    await ask('account', { username: 'ci', groups: ['Service Users'] });
    expect(await ask('push', { project: 'org/demo', commitMessage: 'Add x' })).toMatchObject({
      number: 1,
      patchset: 1,
      ref: 'refs/changes/01/1/1',
    });
    await ask('comment', { change: 1, text: 'hello', user: 'ci', labels: { Verified: 1 } });
    await ask('push', { project: 'org/demo', change: 1 });
    await ask('topic', { change: 1, topic: 't' });
    await ask('vote', { change: 1, labels: { Verified: 1, 'Code-Review': 2 } });
    await ask('faults', { queryLag: 5 });
    await ask('submit', { change: 1 });
    await expect(ask('submit', { change: 1 })).rejects.toThrow('submit: change is merged');
    await expect(ask('push', { project: 3 })).rejects.toThrow('project');
    await expect(ask('toString')).rejects.toThrow('no call toString');
    const change = await ask('change', { change: 1 });
    const reviews = await ask('reviews');
    const tip = await ask('tip', { project: 'org/demo', branch: 'master' });
    child.kill('SIGKILL');
    await once(child, 'exit');
    // A torn last line is what a crash may leave; it was never acknowledged.
    appendFileSync(join(dir, 'site', 'journal.jsonl'), '{"kind":"status","number":1,"st');

    const again = await launch(ready.port);
    expect(again.ready).toMatchObject({ port: ready.port, hostKey: ready.hostKey });
    const askAgain = async (name: string, args?: object) => callControl(again.ready.control, name, args);
    expect(await askAgain('change', { change: 1 })).toEqual(change);
    expect(await askAgain('reviews')).toEqual(reviews);
    expect(await askAgain('tip', { project: 'org/demo', branch: 'master' })).toBe(tip);
    expect(await askAgain('push', { project: 'org/demo' })).toMatchObject({ number: 2 });
    again.child.kill('SIGTERM');
    expect(await once(again.child, 'exit')).toEqual([0, null]);

    await using third = await startGerrit({ dir: join(dir, 'site') });
    expect(third.changes().map((c) => c.number)).toEqual([1, 2]);
    expect(third.account('ci').privateKey).toContain('PRIVATE KEY');
  });

  it('takes posts of JSON only', async () => {
    const { ready, child } = await launch();
    const simple = await fetch(new URL('changes', ready.control), { method: 'POST', body: '{}' });
    expect(simple.status).toBe(400);
    expect((await fetch(new URL('changes', ready.control))).status).toBe(404);
    await callControl(ready.control, 'comment', { change: 2, text: 'hello\nthere' });
    const { patchsets } = z
      .object({ patchsets: z.array(z.object({ revision: z.string() })) })
      .parse(await callControl(ready.control, 'change', { change: 2 }));
    const page = await (await fetch(new URL('c/org/demo/+/2', ready.control))).text();
    expect(page).toContain(`Patch set 1  ${patchsets[0]?.revision}`);
    expect(page).toContain('Patch Set 1:\n\n    hello\n    there');
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
});
