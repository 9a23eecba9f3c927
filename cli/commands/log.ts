import { BuildView } from '../../server/contract.ts';
import type { Client } from '../client.ts';

/** `stackgate log BUILD`: the console so far. */
export async function printConsole(client: Client, build: string): Promise<number> {
  await pipeToStdout(await client.open(`/api/v1/builds/${encodeURIComponent(build)}/console`));
  return 0;
}

/**
 * `stackgate log BUILD --follow`: the console until it ends. A dropped connection is taken up again at the byte where it
 * ended, so nothing is shown twice and nothing is missing.
 */
export async function followConsole(client: Client, build: string): Promise<void> {
  let offset = 0;
  const path = `/api/v1/builds/${encodeURIComponent(build)}/console`;
  while (true) {
    offset += await pipeToStdout(await client.open(`${path}?offset=${offset}&follow=1`)).catch(() => 0);
    const { state } = await client.get(`/api/v1/builds/${encodeURIComponent(build)}`, BuildView);
    if (state !== 'running' && state !== 'waiting') {
      await pipeToStdout(await client.open(`${path}?offset=${offset}`));
      return;
    }
  }
}

async function pipeToStdout(response: Response): Promise<number> {
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    const part: Uint8Array = chunk;
    bytes += part.byteLength;
    if (!process.stdout.write(part))
      await new Promise<void>((resolve) => process.stdout.once('drain', () => resolve()));
  }
  return bytes;
}
