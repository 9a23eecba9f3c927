import type { Readable, Writable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { Fault } from '../../pipelines/fault.ts';
import { away } from './session.ts';

/**
 * A bash script running on a node, over one ssh channel.
 *
 * The script travels on its own standard input, up to the first NUL: it appears in no process list, may be long, and passes
 * unharmed through whatever login shell the account has (sshd gives every command to that). What follows the NUL is the input
 * proper. Startup files of the account may print what they like: everything before our mark is theirs, not ours.
 */

const mark = '\x1estackgate\x1e';
const readScript = `/bin/bash --noprofile --norc -c 'IFS= read -rd "" s; eval "$s"'`;
const prelude = `printf '\\036stackgate\\036'
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd / || exit 3
`;
/** Startup files that print more than this are looping. */
const mostNoise = 64 * 1024;
const mostComplaint = 64 * 1024;

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** The first 64 KiB. */
  readonly stderr: string;
}

export interface RemoteProcess {
  /** Input of the script; `end()` it when there is none. */
  readonly stdin: Writable;
  /** Buffers. What nobody reads stops the script: at most the channel's window (2 MiB) waits here. */
  readonly stdout: Readable;
  /** Rejects with Fault `node-away` when the connection was cut. Handled already: no need to await it. */
  readonly ended: Promise<ProcessEnd>;
  /** Gives the process up: SIGTERM where sshd passes signals on, and the end of its input and output. */
  kill(): void;
}

export function commandLine(sudo: boolean): string {
  return sudo ? `sudo -n -- ${readScript}` : readScript;
}

/** Must be called in the moment the channel opens. */
export function processOn(channel: ClientChannel, script: string, where: string): RemoteProcess {
  if (script.includes('\0')) throw new Fault('bug', 'a script cannot hold NUL');
  let complaint = '';
  channel.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < mostComplaint) complaint += chunk.toString('utf8');
  });
  let exit: { code: number | null; signal: string | null } | undefined;
  channel.on('exit', (code: number | null, signal?: string) => {
    exit = { code, signal: signal === undefined ? null : `SIG${signal.replace(/^SIG/, '')}` };
  });
  const ended = new Promise<ProcessEnd>((resolve, reject) => {
    channel.on('close', () => {
      if (exit === undefined) reject(away(`${where} was cut off while a command ran`));
      else resolve({ ...exit, stderr: complaint });
    });
  });
  ended.catch(() => undefined);
  // A write after the other side has gone; `close` follows and says why.
  channel.on('error', () => undefined);
  channel.write(`${prelude}${script}\0`);
  const kill = () => {
    try {
      channel.signal('TERM');
    } catch {
      // It has ended by itself.
    }
    channel.destroy();
  };
  return { stdin: channel, stdout: channel, ended, kill };
}

/** Waits for our mark and puts what follows back. Throws Fault `node-login` when the account cannot run bash (as root). */
export async function begun(process: RemoteProcess, who: string): Promise<void> {
  const channel = process.stdout;
  let noise = Buffer.alloc(0);
  for (;;) {
    const chunk: unknown = channel.read();
    if (chunk instanceof Buffer) {
      noise = Buffer.concat([noise, chunk]);
      const at = noise.indexOf(mark, 0, 'latin1');
      if (at >= 0) {
        const rest = noise.subarray(at + mark.length);
        if (rest.length > 0) channel.unshift(rest);
        return;
      }
      if (noise.length > mostNoise) break;
    } else if (channel.readableEnded || channel.destroyed) {
      break;
    } else {
      await readable(channel);
    }
  }
  if (noise.length > mostNoise) process.kill();
  const { code, stderr } = await process.ended;
  const said = `${stderr}${noise.toString('utf8')}`.trim().split('\n')[0] ?? '';
  throw new Fault(
    'node-login',
    `${who} cannot run bash: ${said === '' ? `exit ${code}` : said.slice(0, 300)}`,
    {
      hint: 'It needs /bin/bash, a login shell that runs commands, and (with sudo) a NOPASSWD entry without requiretty.',
    },
  );
}

function readable(channel: Readable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      channel.off('readable', done).off('end', done).off('close', done);
      resolve();
    };
    channel.on('readable', done).on('end', done).on('close', done);
  });
}
