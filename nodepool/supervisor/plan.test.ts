import { expect, it } from 'vitest';
import type { ShellBuild } from '../../pipelines/ports.ts';
import {
  checkedPath,
  defaultLimits,
  type FolderEntry,
  type FolderPlan,
  folderOf,
  planFolder,
} from './plan.ts';

const plan: FolderPlan = {
  limits: defaultLimits,
  user: { name: 'job', uid: 7, gid: 8 },
  exclusive: false,
  noNewPrivileges: true,
  environment: { http_proxy: 'p' },
};
const build: ShellBuild = {
  build: 'build-1',
  steps: [
    { name: 'a', script: 'echo a\r\n' },
    { name: 'b', script: '#!/usr/bin/env python3 -u\nx\0y', hold: true, guards: 2 },
  ],
  env: { 'with.dot': 'x', 'bad=name': 'y' },
  timeout: 1000,
  files: [{ path: 'bin/tool', content: 't', executable: true }],
};
const facts = { boot: 'b00t', cookie: 'c00k1e', staged: true };

const of = (entries: readonly FolderEntry[], path: string) => entries.find((entry) => entry.path === path);
const text = (entries: readonly FolderEntry[], path: string) => {
  const entry = of(entries, path);
  return entry?.kind === 'file' ? Buffer.from(entry.content).toString() : '';
};

it('plans a folder in an order in which it can be laid down', () => {
  const entries = planFolder('/root', build, plan, facts);
  const made = new Set(['.']);
  for (const { kind, path } of entries) {
    expect(made).toContain(path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.');
    if (kind === 'folder') made.add(path);
  }
  expect(new Set(entries.map(({ path }) => path)).size).toBe(entries.length);
});

it('keeps from the job what is ours', () => {
  const entries = planFolder('/root', build, plan, facts);
  for (const path of ['env', 'spec']) expect(of(entries, path)).toMatchObject({ owner: 'ours', mode: 0o600 });
  // Else it could put a link into the place of its workspace.
  expect(of(entries, 'job')).toMatchObject({ owner: 'ours', mode: 0o710 });
  expect(of(entries, 'job/workspace')).toMatchObject({ owner: 'job' });
});

it('says what the supervisor needs to know', () => {
  const entries = planFolder('/root', build, plan, facts);
  expect(text(entries, 'spec')).toMatch(
    /^timeout=1000\n[^]*steps=2\ncookie=c00k1e\nboot=b00t\nuid=7\ngid=8\n/,
  );
  expect(text(entries, 'steps/00.argv')).toBe('/bin/sh\0-xe\0/root/build-1/steps/00\0');
  expect(text(entries, 'steps/00')).toBe('echo a\n');
  expect(text(entries, 'steps/01.argv')).toBe('/usr/bin/env\0python3\0-u\0/root/build-1/steps/01\0');
  expect(text(entries, 'steps/01')).toBe('#!/usr/bin/env python3 -u\nxy');
  expect(text(entries, 'steps/01.guards')).toBe('2\n');
  expect(of(entries, 'steps/01.hold')).toBeDefined();
  const env = text(entries, 'env').split('\0');
  expect(env).toContain('with.dot=x');
  expect(env).toContain('ZUUL_URL=file:///root/build-1/job/git');
  expect(env.find((pair) => pair.startsWith('PATH='))).toMatch(/^PATH=\/root\/build-1\/job\/files\/bin:/);
  expect(env.some((pair) => pair.startsWith('bad'))).toBe(false);
});

it('a build within another one has its job by a link', () => {
  const within = planFolder(
    '/root',
    { ...build, build: 'build-1.after', within: 'build-1', files: [] },
    plan,
    facts,
  );
  expect(of(within, 'job')).toEqual({ kind: 'link', path: 'job', to: '../build-1/job' });
  expect(within.some(({ path }) => path.startsWith('job/'))).toBe(false);
});

it.each(['', '..', '../x', 'a/../b', '/a', 'a//b', 'a/', './a', 'a\0b'])('%j is no path inside', (path) => {
  expect(() => checkedPath(path)).toThrow(/no path inside/);
});

it.each(['..', '', 'A', 'a/b', '.build', 'a b'])('%j names no build', (name) => {
  expect(() => folderOf('/root', name)).toThrow(/cannot name/);
});
