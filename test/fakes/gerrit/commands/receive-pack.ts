import { spawn } from 'node:child_process';
import { CommandFailure } from '../argv.ts';
import { type Repo, ZERO } from '../git.ts';
import { parsePushOptions } from '../ops/push-options.ts';
import { pushRef } from '../ops/push-ref.ts';
import type { Uploaded } from '../ops/upload.ts';
import { uploadForReview, uploadReport } from '../ops/upload.ts';
import { band, FLUSH, PktReader, pkt } from '../pktline.ts';
import { GIT_ENV } from '../process.ts';
import { Refusal } from '../site.ts';
import { type Context, input, type Run } from './context.ts';
import { projectOf } from './git.ts';

/**
 * `git receive-pack` by hand, because refs/for/<branch> is no ref: the pack goes into the repository by git's own plumbing, then
 * each command becomes changes, patch sets or a branch update, and the report carries Gerrit's words.
 */

const CAPABILITIES = 'report-status delete-refs side-band-64k quiet ofs-delta push-options agent=JGit';
/** Packs below this many objects are unpacked (`receive.unpackLimit`). */
const UNPACK_LIMIT = 100;

interface RefCommand {
  readonly oldRev: string;
  readonly newRev: string;
  readonly ref: string;
}

async function advertise(repo: Repo): Promise<Buffer> {
  const listed = await repo.git([
    'for-each-ref',
    '--format=%(objectname) %(refname)',
    'refs/heads',
    'refs/tags',
  ]);
  const refs = listed.stdout.toString().trimEnd();
  const lines = refs === '' ? [`${ZERO} capabilities^{}`] : refs.split('\n');
  return Buffer.concat([
    ...lines.map((line, i) => pkt(`${line}${i === 0 ? `\0${CAPABILITIES}` : ''}\n`)),
    FLUSH,
  ]);
}

interface Push {
  readonly commands: RefCommand[];
  readonly capabilities: ReadonlySet<string>;
  readonly options: string[];
}

async function readPush(reader: PktReader): Promise<Push> {
  const commands: RefCommand[] = [];
  let capabilities: ReadonlySet<string> = new Set();
  for (let line = await reader.line(); line instanceof Buffer; line = await reader.line()) {
    const [text = '', caps] = line.toString().replace(/\n$/, '').split('\0');
    if (caps !== undefined) capabilities = new Set(caps.trim().split(' '));
    const match = /^([0-9a-f]{40}) ([0-9a-f]{40}) (.+)$/.exec(text);
    if (match === null) throw new CommandFailure(128, `fatal: protocol error: ${text}`);
    const [, oldRev = '', newRev = '', ref = ''] = match;
    commands.push({ oldRev, newRev, ref });
  }
  const options: string[] = [];
  if (commands.length > 0 && capabilities.has('push-options')) {
    for (let line = await reader.line(); line instanceof Buffer; line = await reader.line()) {
      options.push(line.toString().replace(/\n$/, ''));
    }
  }
  return { commands, capabilities, options };
}

/** Feeds the pack to git. Answers git's complaint, or undefined when all objects are in. */
async function storePack(repo: Repo, reader: PktReader, signal: AbortSignal): Promise<string | undefined> {
  let head = Buffer.alloc(0);
  while (head.length < 12) {
    const chunk = await reader.next();
    if (chunk === undefined) return 'eof before pack header';
    head = Buffer.concat([head, chunk]);
  }
  const few = head.readUInt32BE(8) < UNPACK_LIMIT;
  const args = few ? ['unpack-objects', '-q'] : ['index-pack', '--stdin', '--fix-thin'];
  const child = spawn('git', args, { cwd: repo.path, env: GIT_ENV, stdio: ['pipe', 'ignore', 'pipe'] });
  signal.addEventListener('abort', () => child.kill());
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  child.stdin.on('error', () => undefined);
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve(code ?? 128);
    });
  });
  // git knows the end of a pack by itself; the client may keep its side open to read the report.
  const feed = async () => {
    child.stdin.write(head);
    for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) {
      child.stdin.write(chunk);
    }
    child.stdin.end();
  };
  // A client that goes away ends the pack early, which git will complain about.
  const fed = feed().catch(() => child.stdin.destroy());
  await Promise.race([fed, ended]);
  return (await ended) === 0 ? undefined : complaint.trim() || 'unpacker error';
}

type Outcome = { readonly uploaded: readonly Uploaded[] } | { readonly refused: string };

async function applyCommand(
  context: Context,
  project: string,
  command: RefCommand,
  options: readonly string[],
): Promise<Outcome> {
  const { site, account } = context;
  const { ref, oldRev, newRev } = command;
  try {
    return await site.exclusive(async () => {
      const magic = /^refs\/for\/(?:refs\/heads\/)?([^%]+)(?:%(.*))?$/.exec(ref);
      if (magic === null) {
        await pushRef(site, account, project, ref, oldRev, newRev);
        return { uploaded: [] };
      }
      const [, branch = '', inRef] = magic;
      const all = [...(inRef === undefined ? [] : inRef.split(',')), ...options];
      const parsed = parsePushOptions(all);
      return { uploaded: await uploadForReview(site, account, project, branch, newRev, parsed) };
    });
  } catch (error) {
    if (error instanceof Refusal) return { refused: error.message };
    throw error;
  }
}

/** What people see behind `remote: `. */
function progress(context: Context, outcomes: readonly Outcome[], commands: readonly RefCommand[]): string {
  const uploaded = outcomes.flatMap((o) => ('uploaded' in o ? o.uploaded : []));
  const refused = outcomes.flatMap((o, i) =>
    'refused' in o ? [{ text: o.refused, ref: commands[i]?.ref ?? '' }] : [],
  );
  const counts = [
    `refs: ${commands.length}`,
    ...count('new', uploaded.filter((u) => u.isNew).length),
    ...count('updated', uploaded.filter((u) => !u.isNew).length),
    'done',
  ];
  const lines = [`Processing changes: ${counts.join(', ')}    `];
  for (const { text, ref } of refused) {
    if (text.startsWith('commit ')) lines.push(`ERROR: ${text}`);
    if (/missing Change-Id/.test(text)) lines.push('', ...changeIdHint(context));
    if (text === 'prohibited by Gerrit: not permitted: update') {
      lines.push(
        `error: branch ${ref}:`,
        "To push into this reference you need 'Push' rights.",
        `User: ${context.account.username}`,
        'Contact an administrator to fix the permissions',
      );
    }
  }
  if (uploaded.length > 0) {
    lines.push('', 'SUCCESS', '', ...uploadReport(context.site.options.webUrl, uploaded), '');
  }
  return `${lines.join('\n')}\n`;
}

function changeIdHint(context: Context): string[] {
  return [
    'Hint: to automatically insert a Change-Id, install the hook:',
    `  gitdir=$(git rev-parse --git-dir); scp -p ${context.account.username}@localhost:hooks/commit-msg \${gitdir}/hooks/`,
    'and then amend the commit:',
    '  git commit --amend --no-edit',
    'Finally, push your changes again',
  ];
}

function count(name: string, n: number): string[] {
  return n === 0 ? [] : [`${name}: ${n}`];
}

export const receivePack: Run = async (context, args) => {
  const { channel, site, signal } = context;
  const project = projectOf(context, args);
  const repo = site.repo(project);
  channel.write(await advertise(repo));
  const reader = new PktReader(input(context));
  const push = await readPush(reader);
  if (push.commands.length === 0) return 0;

  const needsPack = push.commands.some((c) => c.newRev !== ZERO);
  const complaint = needsPack ? await storePack(repo, reader, signal) : undefined;
  const outcomes: Outcome[] = [];
  for (const command of push.commands) {
    outcomes.push(
      complaint === undefined
        ? await applyCommand(context, project, command, push.options)
        : { refused: 'unpacker error' },
    );
  }
  const report = Buffer.concat([
    pkt(`unpack ${complaint === undefined ? 'ok' : complaint.split('\n')[0]}\n`),
    ...push.commands.map(({ ref }, i) => {
      const outcome = outcomes[i];
      return outcome !== undefined && 'refused' in outcome
        ? pkt(`ng ${ref} ${outcome.refused.split('\n')[0]}\n`)
        : pkt(`ok ${ref}\n`);
    }),
    FLUSH,
  ]);
  if (push.capabilities.has('side-band-64k')) {
    channel.write(band(2, progress(context, outcomes, push.commands)));
    channel.write(band(1, report));
    channel.write(FLUSH);
  } else if (push.capabilities.has('report-status')) {
    channel.write(report);
  }
  return 0;
};
