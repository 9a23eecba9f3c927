import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { listFiles } from './collect.ts';
import type { RemoteProcess } from './process.ts';

/** A list that was cut short must never pass for the whole: what is missing would be missing in the logs. */
test.each([
  { code: null, signal: 'SIGKILL', stderr: '' },
  { code: 137, signal: null, stderr: '' },
])('a list whose lister was killed is no list: %o', async (end) => {
  const stdout = new PassThrough();
  stdout.end('./a.log\0');
  const process: RemoteProcess = {
    stdin: new PassThrough(),
    stdout,
    ended: Promise.resolve(end),
    kill: () => undefined,
  };
  const connection = { where: 'n1:22', spawn: () => Promise.resolve(process) };
  const signal = AbortSignal.timeout(5_000);
  await expect(listFiles(connection, '/w', ['*.log'], [], signal)).rejects.toMatchObject({
    code: 'node-away',
  });
});
