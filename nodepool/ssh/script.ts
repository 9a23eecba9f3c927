import { Fault } from '../../pipelines/fault.ts';
import { quoted, type RunResult } from '../remote.ts';
import { scripts } from './scripts.ts';

/** A script of scripts/ with its arguments; several in a row are one script. */
export function script(
  name: Exclude<keyof typeof scripts, 'common'>,
  args: readonly (string | number)[],
): string {
  const words = args.map((arg) => quoted(`${arg}`)).join(' ');
  return `${scripts.common}\nset -- ${words}\n${scripts[name]}\n`;
}

/** What a script said, when it ended well; otherwise what went wrong on the node, as a Fault. */
export function saidBy(result: RunResult, what: string): string {
  if (result.code === 0) return result.stdout;
  const complaint = result.stderr.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
  if (/No space left on device|Disk quota exceeded/.test(result.stderr)) {
    throw noSpace(what);
  }
  const end = result.signal ?? `exit ${result.code}`;
  throw new Fault('node-lost', `${what}: ${complaint === '' ? end : complaint}`, {
    hint: complaint.includes('not found')
      ? 'A node needs bash, coreutils, util-linux, findutils, grep and git.'
      : 'Try it by hand on the node.',
  });
}

export function noSpace(what: string): Fault {
  return new Fault('disk-full', `${what}: no space left on the node`, {
    retry: true,
    hint: 'Free some space on the file system of the workspaces there.',
  });
}
