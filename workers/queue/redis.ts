import { type ConnectionOptions, createRedisBackend } from 'bullmq';
import type { RedisLink } from '../redis/link.ts';
import { LOST_AFTER, type QueueBackend, stalledAfter } from './bullmq.ts';

/** BullMQ's Redis backend, on Redis or Valkey. Who pushes never waits; who consumes waits for a server that is away. */
export function redisQueue(link: RedisLink, lostAfter = LOST_AFTER): QueueBackend<ConnectionOptions> {
  const channel = `${link.prefix}:cancel`;
  return {
    factory: createRedisBackend,
    connection: link.quick,
    consumer: link.patient(),
    prefix: link.prefix,
    stalled: stalledAfter(lostAfter),
    broadcast: {
      send: async (message) => {
        await link.quick.publish(channel, message);
      },
      listen: async (heard) => {
        const subscriber = link.patient();
        subscriber.on('message', (_, message) => heard(message));
        await subscriber.subscribe(channel);
        return async () => subscriber.disconnect();
      },
    },
    isReady: () => link.quick.status === 'ready',
    onLost: (listener) => link.onLost(listener),
    prepare: async () => undefined,
    close: async () => undefined,
  };
}
