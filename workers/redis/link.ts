import { randomUUID } from 'node:crypto';
import { Redis, type RedisOptions } from 'ioredis';
import { backoff, Fault } from '../../pipelines/fault.ts';
import { checkSettings } from './settings.ts';

/**
 * Redis or Valkey, as one process uses it. Nothing on it is the truth, so nothing on it may be waited for without end:
 *
 * - `quick` fails at once while the server is away; what was to be said is said again later by whoever knows the truth.
 * - `patient` is for those that can only wait (consumers, subscribers): their commands stay until the server is back.
 * - A server that came back, or that forgot what it was told (FLUSHALL, a lost append-only file), has `lost` wake-ups. A mark
 *   that only we renew tells: when it is not there, something was forgotten.
 */
export interface RedisLink extends AsyncDisposable {
  /** `127.0.0.1:6379`, without the password. */
  readonly name: string;
  /** What all keys and channels of this site begin with. */
  readonly prefix: string;
  readonly quick: Redis;
  /** Another connection, closed with the link. */
  patient(): Redis;
  /** Answers what is to be said of it; throws a Fault when it does not answer or is set up to forget. */
  ask(): Promise<string>;
  onLost(listener: () => void): void;
}

export interface RedisLinkOptions {
  /** `redis://`, `rediss://` or the path of a socket. */
  readonly url: string;
  /** 16 hex, kept with the database: sites that share a server do not meet. */
  readonly site: string;
  readonly onError: (error: unknown) => void;
  /** Told about settings that are not wrong enough to refuse. */
  readonly warn: (message: string) => void;
}

/** s for which the mark stands without us; ms for a command and for a connection. */
const MARK = 60;
const COMMAND = 5_000;
const CONNECT = 5_000;
/** ms without an answer after which a connection is dead; longer than a consumer blocks (30 s). */
const SILENCE = 60_000;
/** Questions between two looks at the server's settings. */
const SETTINGS_EVERY = 3;

/** Throws Fault `queue-away` when it cannot be reached, `config-invalid` when it is set up to forget. */
export async function openRedis(options: RedisLinkOptions): Promise<RedisLink> {
  const { url, site, onError } = options;
  const name = nameOf(url);
  const prefix = `stackgate-${site}`;
  const mark = `${prefix}:here:${randomUUID()}`;
  const lost = new Set<() => void>();
  const opened = new Set<Redis>();
  let asked = 0;

  function connection(more: Omit<RedisOptions, 'replyMapping'>): Redis {
    const client = new Redis(url, {
      connectionName: 'stackgate',
      connectTimeout: CONNECT,
      keepAlive: 10_000,
      lazyConnect: true,
      retryStrategy: (times) => backoff(times, 100, 3_000, Math.random()),
      ...more,
    });
    client.on('error', onError);
    client.setMaxListeners(0);
    opened.add(client);
    client.once('end', () => opened.delete(client));
    return client;
  }

  const quick = connection({ enableOfflineQueue: false, maxRetriesPerRequest: 0, commandTimeout: COMMAND });
  const close = (): void => {
    for (const client of opened) client.disconnect();
  };
  try {
    await quick.connect();
    await checkSettings(quick, name, options.warn);
    await quick.set(mark, '1', 'EX', MARK);
  } catch (caught) {
    close();
    throw away(name, caught);
  }
  const tellLost = (): void => {
    for (const listener of lost) listener();
  };
  quick.on('ready', tellLost);

  return {
    name,
    prefix,
    quick,
    patient: () => connection({ maxRetriesPerRequest: null, socketTimeout: SILENCE }),
    async ask() {
      try {
        const renewed = await quick.set(mark, '1', 'EX', MARK, 'XX');
        if (renewed === null) {
          await quick.set(mark, '1', 'EX', MARK);
          options.warn(`Redis at ${name} forgot what it was told; everything undone is said again`);
          tellLost();
        }
        asked += 1;
        if (asked % SETTINGS_EVERY === 0) await checkSettings(quick, name, () => undefined);
        return `answers at ${name}`;
      } catch (caught) {
        throw away(name, caught);
      }
    },
    onLost: (listener) => {
      lost.add(listener);
    },
    async [Symbol.asyncDispose]() {
      await quick.del(mark).catch(() => undefined);
      close();
    },
  };
}

function away(name: string, caught: unknown): Fault {
  if (caught instanceof Fault) return caught;
  const message = caught instanceof Error ? caught.message : String(caught);
  return new Fault('queue-away', `Redis at ${name} does not answer: ${message}`, {
    retry: true,
    hint: 'Check redis.url, and that the server runs and accepts connections from here.',
    cause: caught,
  });
}

/** The address without user and password. */
export function nameOf(url: string): string {
  if (!url.includes('://')) return url;
  const { hostname, port, pathname } = new URL(url);
  return hostname === '' ? pathname : `${hostname}:${port === '' ? '6379' : port}`;
}
