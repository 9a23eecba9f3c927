import { spawn } from 'node:child_process';
import { canReadProject } from '../access.ts';
import { CommandFailure } from '../argv.ts';
import { GIT_ENV } from '../process.ts';
import type { Context, Run } from './context.ts';

/** The project of `git-upload-pack '/org/demo.git'`. */
export function projectOf({ site, account }: Context, args: readonly string[]): string {
  const name = (args[0] ?? '')
    .replace(/^\//, '')
    .replace(/\/$/, '')
    .replace(/\.git$/, '');
  if (!site.state.projects.has(name) || !canReadProject(site.state, account, name)) {
    throw new CommandFailure(1, `fatal: project ${name} not found`);
  }
  return name;
}

export const uploadPack: Run = async (context, args) => {
  const { site, channel, env, signal } = context;
  const { path } = site.repo(projectOf(context, args));
  const protocol = env['GIT_PROTOCOL'];
  const child = spawn('git', ['upload-pack', '--strict', path], {
    env: { ...GIT_ENV, ...(protocol === undefined ? {} : { GIT_PROTOCOL: protocol }) },
  });
  signal.addEventListener('abort', () => child.kill());
  child.stdin.on('error', () => undefined);
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve(code ?? 128);
    });
  });
};
