import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type House, need } from './house.ts';

/** What links in review comments begin with, with a trailing slash: the server's address, wherever it runs. */
export function publicUrl(house: House): string {
  const { site, roles } = house;
  const own = roles.has('server') ? need(house, 'door').url : serverUrl(house.data);
  return (site.url ?? own ?? `http://${site.listen}`).replace(/\/*$/, '/');
}

/** Where git asks for what this process merged: its own door. Without one, the server's. */
export function gitUrl(house: House): string {
  const { site, roles } = house;
  const own = roles.has('server') ? need(house, 'door').url : site.roles.worker.url;
  if (own !== undefined) return `${own.replace(/\/*$/, '/')}p`;
  return roles.has('worker') ? `${need(house, 'door').url}p` : `${publicUrl(house)}p`;
}

const Running = z.object({ url: z.string() });

/** Address of the server that was last started on this data directory. */
export function serverUrl(data: string): string | undefined {
  try {
    return Running.parse(JSON.parse(readFileSync(join(data, 'server.json'), 'utf8'))).url;
  } catch {
    return undefined;
  }
}
