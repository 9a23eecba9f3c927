import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { GIT_ENV, GitSession } from './process.ts';

it('a session that was put away for idleness does not end the requests of the next one', async () => {
  const repo = mkdtempSync(join(tmpdir(), 'stackgate-session-'));
  try {
    execFileSync('git', ['init', '-q', '--bare', repo], { env: GIT_ENV });
    const session = new GitSession(repo, ['cat-file', '--batch-check']);
    const line = (bytes: Buffer) => {
      const end = bytes.indexOf(10);
      return end < 0 ? undefined : { value: bytes.toString('utf8', 0, end), used: end + 1 };
    };
    for (let round = 0; round < 20; round++) {
      expect(await session.ask('HEAD\n', line)).toBe('HEAD missing');
      session.close();
    }
  } finally {
    rmSync(repo, { recursive: true, force: true });
  }
});
