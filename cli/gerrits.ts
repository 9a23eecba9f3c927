import { GerritSettings } from '../workers/gerrit/settings.ts';
import type { GerritConnection } from '../workers/intake.ts';
import { SmtpSettings } from '../workers/publishers/mailer.ts';
import type { ScpHost } from '../workers/publishers/scphost.ts';
import type { Reviews } from '../workers/reporter.ts';
import type { Site, GerritConnection as SiteGerrit } from './sitekeys.ts';

/** Gerrits, mail servers and log hosts of the site file, as the hands take them. */

/** The Gerrits of the site, as every role that speaks to them shares them. */
export interface Gerrits {
  readonly connections: readonly GerritConnection[];
  readonly reviews: Reviews;
}

/** Connections of the site file, as the hands take them. */
export function gerritSettings(site: Site, path: (text: string) => string): GerritSettings[] {
  return Object.entries(site.connections).flatMap(([connection, given]) => {
    if (given.driver !== 'gerrit') return [];
    return [
      GerritSettings.parse({
        connection,
        host: given.host,
        port: given.port,
        user: given.user,
        keyFile: path(given.key),
        hostKeys: [given['host-key']].flat().join('\n'),
        ...(given.name === undefined ? {} : { fullName: given.name }),
        rest: restSettings(given, path),
        keepalive: given.keepalive,
        probeInterval: given['silence-limit'],
        reconcileInterval: given['reconcile-every'],
        lookBack: given['look-back'],
        readBack: given['read-back'],
      }),
    ];
  });
}

function restSettings(
  { api, host, url = `https://${host}`, password, 'requests-per-second': perSecond }: SiteGerrit,
  path: (text: string) => string,
): GerritSettings['rest'] {
  if (api === 'ssh' || password === undefined) return undefined;
  return { url: url.replace(/\/*$/, '/'), passwordFile: path(password), perSecond };
}

export function smtpSettings(site: Site): Map<string, SmtpSettings> {
  const found = new Map<string, SmtpSettings>();
  for (const [connection, given] of Object.entries(site.connections)) {
    if (given.driver !== 'smtp') continue;
    const { server, port, 'default-from': defaultFrom, 'default-to': defaultTo } = given;
    found.set(connection, SmtpSettings.parse({ connection, server, port, defaultFrom, defaultTo }));
  }
  return found;
}

/** Hosts of `scp-sites`, as publishers take them. */
export function scpHosts(site: Site, path: (text: string) => string): Map<string, ScpHost> {
  return new Map(
    Object.entries(site['scp-sites']).map(([name, { host, port, user, key, root, 'host-key': hostKey }]) => [
      name,
      { name, host, port, user, root, keyFile: path(key), hostKeys: [hostKey].flat().join('\n') },
    ]),
  );
}
