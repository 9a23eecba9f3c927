import { hasCapability } from '../access.ts';
import { CommandFailure, parseArguments } from '../argv.ts';
import { EventStream } from '../stream.ts';
import type { Run } from './context.ts';

/** What ^C ends a command with. */
const INTERRUPTED = 130;

export const streamEvents: Run = async ({ site, account, channel, signal }, args) => {
  if (!hasCapability(site.state, account, 'streamEvents')) {
    throw new CommandFailure(1, 'stream events not permitted');
  }
  const given = parseArguments(args, [{ names: ['--subscribe', '-s'], operand: true }]);
  const { username } = account;
  // The account is looked up anew for every event, as groups and rules may change while the stream is open.
  const stream = new EventStream(
    site.hub,
    channel,
    () => site.state.accounts.get(username),
    given.values('--subscribe'),
  );
  site.hub.add(stream);
  // An end of the client's input means nothing (`ssh -n`); ^C ends the command, and so does going away.
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => {
      resolve();
    });
    if (signal.aborted) resolve();
    channel.on('data', (bytes: Buffer) => {
      if (bytes.includes(3)) resolve();
    });
  });
  site.hub.remove(stream);
  return INTERRUPTED;
};
