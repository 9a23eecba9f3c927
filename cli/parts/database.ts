import { chmod, mkdir } from 'node:fs/promises';
import { openCore } from '../core.ts';
import type { PartOf } from '../house.ts';

/** The one truth and the wake-ups. */
export const database: PartOf = ({ data, site, log, made }) => ({
  name: 'database',
  async start() {
    await mkdir(data, { recursive: true, mode: 0o711 });
    // Builds run below it as other users, who may pass but not look.
    await chmod(data, 0o711);
    const settings = {
      data,
      database: site.database?.url,
      redis: site.redis?.url,
      lostAfter: site.roles['lost-after'],
    };
    const opened = await openCore(settings, log);
    made.core = opened;
    return { close: () => opened.close() };
  },
});
