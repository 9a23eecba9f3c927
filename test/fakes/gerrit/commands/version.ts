import { parseArguments } from '../argv.ts';
import { gson } from '../attributes.ts';
import type { Run } from './context.ts';

export const version: Run = async ({ channel, site }, args) => {
  const given = parseArguments(args, [
    { names: ['--verbose', '-v'], operand: false },
    { names: ['--json'], operand: false },
  ]);
  const { version: gerritVersion } = site.options;
  channel.write(given.has('--json') ? `${gson({ gerritVersion })}\n` : `gerrit version ${gerritVersion}\n`);
  return 0;
};
