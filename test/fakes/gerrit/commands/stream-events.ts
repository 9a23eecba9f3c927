import { once } from 'node:events';
import { hasCapability } from '../access.ts';
import { CommandFailure, parseArguments } from '../argv.ts';
import { EventStream } from '../stream.ts';
import type { Run } from './context.ts';

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
  channel.resume();
  // The client ends the command by ^C, by closing its side or by going away.
  if (!signal.aborted) await Promise.race([once(signal, 'abort'), once(channel, 'end')]);
  site.hub.remove(stream);
  return 0;
};
