import type { Redis } from 'ioredis';
import { Fault } from '../../pipelines/fault.ts';

/**
 * How the server keeps what it is told. A server that evicts loses single wake-ups without a word, and nobody notices until a
 * build does not start: that is refused. One that may lose its last second when it dies loses nothing of ours (the database
 * knows everything undone and says it again); that only costs time, so it is a warning.
 */
export async function checkSettings(
  redis: Redis,
  name: string,
  warn: (message: string) => void,
): Promise<void> {
  const policy = await setting(redis, 'maxmemory-policy');
  if (policy === undefined) {
    warn(
      `Redis at ${name} does not tell its settings; make sure that it has maxmemory-policy noeviction, appendonly yes and appendfsync always`,
    );
    return;
  }
  if (policy !== 'noeviction') {
    throw new Fault('config-invalid', `Redis at ${name} evicts keys (maxmemory-policy ${policy})`, {
      hint: `${mend(name, 'maxmemory-policy', 'noeviction')} mends it; put it into its configuration, too.`,
    });
  }
  for (const [key, wanted] of [
    ['appendonly', 'yes'],
    ['appendfsync', 'always'],
  ] as const) {
    const value = await setting(redis, key);
    if (value !== undefined && value !== wanted)
      warn(`Redis at ${name} has ${key} ${value}: ${mend(name, key, wanted)} makes it keep what it is told`);
  }
}

/** Undefined: a server (a hosted one, mostly) that does not let us look. */
async function setting(redis: Redis, key: string): Promise<string | undefined> {
  try {
    const answer: unknown = await redis.config('GET', key);
    const value: unknown = Array.isArray(answer) ? answer[1] : undefined;
    return typeof value === 'string' ? value : undefined;
  } catch (caught) {
    if (caught instanceof Error && /unknown command|NOPERM|not allowed/i.test(caught.message))
      return undefined;
    throw caught;
  }
}

function mend(name: string, key: string, value: string): string {
  const [host = '', port = ''] = name.split(/:(?=\d+$)/);
  const where = port === '' ? `-s ${name}` : `-h ${host} -p ${port}`;
  return `\`redis-cli ${where} CONFIG SET ${key} ${value}\``;
}
