import { CommandFailure, splitCommand } from '../argv.ts';
import { Refusal } from '../site.ts';
import type { Context, Run } from './context.ts';
import { uploadPack } from './git.ts';
import { query } from './query.ts';
import { receivePack } from './receive-pack.ts';
import { review } from './review.ts';
import { lsProjects, setReviewers, setTopicCommand } from './small.ts';
import { streamEvents } from './stream-events.ts';
import { version } from './version.ts';

const GERRIT: Readonly<Record<string, Run>> = {
  'ls-projects': lsProjects,
  query,
  review,
  'set-reviewers': setReviewers,
  'set-topic': setTopicCommand,
  'stream-events': streamEvents,
  version,
};

const GIT: Readonly<Record<string, Run>> = {
  'upload-pack': uploadPack,
  'receive-pack': receivePack,
};

function usage(name: string, commands: readonly string[]): string {
  const lines = [...commands].sort().map((command) => `   ${command}`);
  const of = name === '' ? '' : ` of ${name}`;
  const see = name === '' ? '' : `${name} `;
  return `fatal: Available commands${of} are:\n\n${lines.join('\n')}\n\nSee '${see}COMMAND --help' for more information.\n`;
}

/** Finds the command of an exec string; unknown names are refused as Gerrit's dispatcher does. */
function find(words: readonly string[]): { run: Run; args: readonly string[] } {
  const [first = '', second = '', ...rest] = words;
  if (first === 'git-upload-pack') return { run: uploadPack, args: words.slice(1) };
  if (first === 'git-receive-pack') return { run: receivePack, args: words.slice(1) };
  const table = first === 'gerrit' ? GERRIT : first === 'git' ? GIT : undefined;
  if (first === '') throw new CommandFailure(1, usage('', ['gerrit', 'git']));
  if (table === undefined) throw new CommandFailure(1, `fatal: Gerrit Code Review: ${first}: not found`);
  if (second === '') throw new CommandFailure(1, usage(first, Object.keys(table)));
  const run = table[second];
  if (run === undefined) throw new CommandFailure(1, `fatal: ${first}: ${second}: not found`);
  return { run, args: rest };
}

/** Runs an exec string to its exit status; what went wrong is on stderr then. */
export async function runCommand(context: Context, line: string): Promise<number> {
  try {
    const { run, args } = find(splitCommand(line));
    return await run(context, args);
  } catch (error) {
    if (error instanceof CommandFailure) {
      context.channel.stderr.write(error.message.endsWith('\n') ? error.message : `${error.message}\n`);
      return error.exit;
    }
    if (error instanceof Refusal) {
      context.channel.stderr.write(`fatal: ${error.message}\n`);
      return 1;
    }
    // A bug of the simulator: say what it is, under the status Gerrit has for its own.
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    context.channel.stderr.write(`fatal: internal server error\n${detail}\n`);
    return 128;
  }
}
