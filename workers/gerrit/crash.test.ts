import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReportAction } from '../../pipelines/action.ts';
import { fileStore } from '../../test/fixtures/filestore.ts';
import { type Lab, openLab, PROJECT } from '../../test/fixtures/gerritlab.ts';

/**
 * Real processes, killed with SIGKILL at a durable or outside step; judged by the simulator's own records. Starting a process
 * is slow, so an everyday run takes the steps between which something can be lost or doubled; STACKGATE_ALL_CRASHPOINTS=1
 * takes them all.
 */
const all = process.env['STACKGATE_ALL_CRASHPOINTS'] !== undefined;

let lab: Lab;
let scratch: string;
const children = new Set<ChildProcess>();
beforeAll(async () => {
  lab = await openLab();
  lab.gerrit.allow({ ref: 'refs/heads/*', permission: 'submit', group: 'Service Users' });
  scratch = mkdtempSync(join(tmpdir(), 'stackgate-crash-'));
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await lab[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

function start(task: object, crashAt?: string, how: 'SIGKILL' | 'SIGSTOP' = 'SIGKILL'): ChildProcess {
  const argument = JSON.stringify({ settings: lab.settings({ readBack: 300 }), project: PROJECT, ...task });
  const env = {
    ...process.env,
    ...(crashAt === undefined ? {} : { STACKGATE_CRASH_AT: crashAt, STACKGATE_CRASH_WITH: how }),
  };
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/fixtures/gerritchild.ts', argument], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

async function end(child: ChildProcess): Promise<{ signal: NodeJS.Signals | null; said: string }> {
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const signal = await new Promise<NodeJS.Signals | null>((resolve) => {
    child.once('close', (_code, by) => resolve(by));
  });
  return { signal, said: said.trim() };
}

const REPORT = all
  ? [
      'report.record.before:1',
      'report.record.after:1',
      'report.post.before:1',
      'report.post.after:1',
      'report.record.before:2',
      'report.record.after:2',
      'report.submit.before:1',
      'report.submit.after:1',
      'report.readback.before:1',
      'report.readback.after:1',
      'report.record.before:3',
      'report.record.after:3',
    ]
  : ['report.record.after:1', 'report.post.after:1', 'report.submit.after:1'];
const INTAKE = all
  ? [
      'intake.file.before:1',
      'intake.file.after:1',
      'intake.file.before:2',
      'intake.sweep.before:2',
      'intake.sweep.after:2',
    ]
  : ['intake.file.before:1', 'intake.sweep.after:2'];

function reportOn(
  { number, revision }: { readonly number: number; readonly revision: string },
  more: Pick<ReportAction, 'pipeline' | 'submit'>,
): ReportAction {
  return {
    kind: 'report',
    id: `report-${number}`,
    connection: 'gerrit',
    project: PROJECT,
    branch: 'master',
    number: String(number),
    patchset: '1',
    revision,
    phase: 'success',
    message: `Build succeeded (${more.pipeline} pipeline).`,
    labels: { verified: 1 },
    ...more,
  };
}

describe('a report killed at any step', () => {
  it.concurrent.each(REPORT)(
    'is posted once and merged: %s',
    async (point) => {
      const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
      await lab.gerrit.vote(pushed.number, { 'Code-Review': 2 });
      const report = reportOn(pushed, { pipeline: 'gate', submit: true });
      const dir = join(scratch, `report-${pushed.number}`);
      const first = await end(start({ dir, report }, point));
      expect({ point, signal: first.signal }).toEqual({ point, signal: 'SIGKILL' });
      const second = await end(start({ dir, report }));
      expect(JSON.parse(second.said)).toMatchObject({ kind: 'posted', merged: true });
      expect(lab.gerrit.reviews({ user: 'ci', change: pushed.number })).toHaveLength(1);
      expect(lab.gerrit.change(pushed.number).status).toBe('MERGED');
    },
    60_000,
  );
});

describe('a process stopped right before it posts', () => {
  it('posts nothing when it goes on after another took over', async () => {
    const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
    const report = reportOn(pushed, { pipeline: 'check', submit: false });
    const dir = join(scratch, `stopped-${pushed.number}`);
    const first = start({ dir, report }, 'report.record.after:1', 'SIGSTOP');
    const ended = end(first);
    await lab.until('it stands still', () => stateOf(first.pid ?? 0) === 'T', 30_000);
    const second = await end(start({ dir, report }));
    expect(JSON.parse(second.said)).toEqual({ kind: 'posted' });
    first.kill('SIGCONT');
    expect(await ended).toMatchObject({ said: '' });
    expect(lab.gerrit.reviews({ user: 'ci', change: pushed.number })).toHaveLength(1);
  }, 60_000);
});

/** `T`: stopped by a signal. */
function stateOf(pid: number): string | undefined {
  return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
}

describe('an intake killed at any step', () => {
  it.each(INTAKE)(
    'has every event once in the end: %s',
    async (point) => {
      const dir = join(scratch, point);
      const child = start({ dir }, point);
      await lab.until('it listens', () => lab.gerrit.streams() > 0);
      const died = end(child);
      const pushed = await lab.gerrit.push(PROJECT, { user: 'ann' });
      await lab.gerrit.comment(pushed.number, 'recheck', { user: 'ann' });
      if (point.includes('sweep')) lab.gerrit.inject({ type: 'dropped-output', eventCreatedOn: 1 });
      expect((await died).signal).toBe('SIGKILL');
      await lab.gerrit.comment(pushed.number, 'while it was dead', { user: 'ann' });
      const next = start({ dir });
      const ours = () =>
        fileStore(dir)
          .facts()
          .flatMap(({ fact }) =>
            fact.kind === 'GerritEvent' && fact.number === String(pushed.number) ? [fact] : [],
          );
      const told = () =>
        ours()
          .map(({ type, comment = '' }) => `${type} ${comment.split('\n').at(-1)}`.trim())
          .sort();
      const wanted = ['comment-added recheck', 'comment-added while it was dead', 'patchset-created'];
      await lab.until('all is there', () => told().length >= wanted.length);
      next.kill('SIGTERM');
      await end(next);
      expect(told()).toEqual(wanted);
    },
    60_000,
  );
});
