import { gerritReview, transportOf } from '../../workers/gerrit/source.ts';
import { openConnection } from '../../workers/intake.ts';
import { type Gerrits, gerritSettings } from '../gerrits.ts';
import { type House, need, type PartOf } from '../house.ts';
import { sitePath } from '../site.ts';

/** Connects to nobody yet: each connection opens when it is first used. */
export const gerrits: PartOf = (house) => ({
  name: 'gerrits',
  async start() {
    const opened = openGerrits(house);
    house.made.gerrits = opened;
    return {
      async close() {
        for (const connection of opened.connections) await connection[Symbol.asyncDispose]();
      },
    };
  },
});

function openGerrits(house: House): Gerrits {
  const { store } = need(house, 'core');
  const settings = gerritSettings(house.site, (path) => sitePath(house.base, path));
  const connections = settings.map((gerrit) => openConnection(gerrit));
  // Who is asked so often may want to know by whom.
  const userAgent = `Stackgate/${house.version}${house.site.url === undefined ? '' : ` (+${house.site.url})`}`;
  const reviews = new Map(
    connections.map(({ settings: gerrit, commands }) => [
      gerrit.connection,
      gerritReview(gerrit, transportOf(gerrit, commands, userAgent), store, {
        // Who reports also merges, and opened the repositories by then.
        branches: () => house.made.merger?.branches(gerrit.connection),
      }),
    ]),
  );
  return { connections, reviews };
}
