import type { SiteConfig } from '../../pipelines/ports.ts';
import { openRedis } from '../../workers/redis/link.ts';
import { openPostgres } from '../../workers/store/postgres.ts';
import { gerritSettings } from '../gerrits.ts';
import { sitePath } from '../site.ts';
import type { Site } from '../sitekeys.ts';
import { type Finding, look } from './finding.ts';
import { lookAtGerrit } from './gerrit.ts';
import { lookAtMachine } from './machine.ts';

/**
 * Everything between a valid configuration and the first vote, looked at at once: this machine, the servers, each Gerrit. Nothing is
 * changed anywhere, and nothing of a running Stackgate is touched.
 */
export async function examine(site: Site, base: string, config: SiteConfig): Promise<Finding[]> {
  const path = (text: string) => sitePath(base, text);
  const projects = Object.keys(config.layout.projects);
  const settings = gerritSettings(site, path);
  const found = await Promise.all([
    lookAtMachine(site, path(site.data)),
    lookAtServers(site),
    ...settings.map((gerrit) => lookAtGerrit(gerrit, projects)),
  ]);
  return [...found.flat(), ...lookAtLinks(site)];
}

async function lookAtServers({ database, redis }: Site): Promise<Finding[]> {
  const found: Finding[] = [];
  if (database !== undefined)
    found.push(
      await look('database', async () => {
        await using db = await openPostgres({ url: database.url });
        const [row] = await db.query<{ version: string }>(
          "SELECT current_setting('server_version') AS version",
        );
        return `PostgreSQL ${row?.version ?? ''}`;
      }),
    );
  if (redis !== undefined)
    found.push(
      await look('redis', async () => {
        const warnings: string[] = [];
        const ignore = () => undefined;
        await using link = await openRedis({
          url: redis.url,
          site: 'doctor',
          onError: ignore,
          warn: (text) => warnings.push(text),
        });
        const says = await link.ask();
        const [warning] = warnings;
        return warning === undefined ? says : { state: 'warning', says: warning };
      }),
    );
  return found;
}

/** Links of a review are opened by people who sit elsewhere. */
function lookAtLinks({ url, listen, connections }: Site): Finding[] {
  const what = 'links in reviews';
  const hosts = Object.values(connections).flatMap((one) => (one.driver === 'gerrit' ? one.host : []));
  if (url !== undefined && !isLoopback(new URL(url).hostname)) return [{ what, state: 'good', says: url }];
  if (hosts.every(isLoopback)) return [{ what, state: 'good', says: url ?? `http://${listen}/` }];
  return [
    {
      what,
      state: 'warning',
      says: `begin with ${url ?? `http://${listen}/`}, which nobody else can open`,
      hint: 'Say with `url:` how people reach this server; logs must be readable without a login.',
    },
  ];
}

const isLoopback = (host: string): boolean => /^(localhost|127\.|::1$|\[::1\]$)/.test(host);
