import { createHash, randomBytes } from 'node:crypto';
import { CommandError } from '../client.ts';

/** `stackgate token NAME`: a new token for somebody who may act. It is shown once; the site file gets its hash. */
export function makeToken(name: string): number {
  if (!/^[A-Za-z][\w.@-]{0,63}$/.test(name)) {
    throw new CommandError(
      'a name begins with a letter and has letters, digits, dots, dashes and @',
      2,
      'name the person or the tool, so that the ledger says who asked',
    );
  }
  const token = randomBytes(32).toString('hex');
  const sha256 = createHash('sha256').update(token).digest('hex');
  process.stdout.write(`${token}\n`);
  process.stderr.write(`This is the token of ${name}; it is not kept anywhere. Into stackgate.yaml, then restart:

tokens:
  ${name}: ${sha256}
`);
  return 0;
}
