import { ReloadView } from '../../server/contract.ts';
import type { Client } from '../client.ts';
import { printable } from '../text.ts';

/** `stackgate reload`: asks the running server to read layout and jobs again, and tells what that changed. */
export async function reload(client: Client, json: boolean): Promise<number> {
  const view = await client.post('/api/v1/reload', {}, ReloadView, undefined, 180_000);
  if (json) process.stdout.write(`${JSON.stringify(view)}\n`);
  else process.stdout.write(`${printable([...view.changes, view.summary].join('\n'))}\n`);
  return 0;
}
