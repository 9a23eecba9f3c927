import ssh2, { type ServerHostKeyAlgorithm } from 'ssh2';
import { Fault } from '../../pipelines/fault.ts';
import { keyLine, keyTypes } from './hostkey.ts';
import { away, whereIs } from './session.ts';

/** ms for one key exchange; Nodepool allows 10 s, too. */
const patience = 10_000;

/**
 * The host keys a node has, one `type base64` for each type, as Nodepool's launcher asks a new machine before it pins them.
 * Throws Fault `node-away` when nobody is there (yet), `deadline` when somebody accepts and says nothing.
 */
export async function scanHostKeys(address: string, port: number, signal: AbortSignal): Promise<string[]> {
  const found: string[] = [];
  // One after the other: sshd counts connections that have not logged in (MaxStartups).
  for (const algorithms of keyTypes) {
    const key = await presented(address, port, algorithms, signal);
    if (key !== undefined) found.push(keyLine(key));
  }
  if (found.length === 0) throw away(`${whereIs({ address, port })} presented no host key that we can read`);
  return found;
}

/** The key it shows when these are all we understand; undefined when it has none of them. */
function presented(
  address: string,
  port: number,
  algorithms: readonly ServerHostKeyAlgorithm[],
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const where = whereIs({ address, port });
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    let connected = false;
    const settle = (act: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      client.destroy();
      act();
    };
    const onAbort = () =>
      settle(() => reject(new Fault('stopped', `scanning ${where} was called off`, { retry: true })));
    const late = () =>
      settle(() =>
        reject(
          connected
            ? new Fault('deadline', `${where} accepted the connection and showed no host key`, {
                retry: true,
              })
            : away(`${where} did not answer`),
        ),
      );
    const timer = setTimeout(late, patience);
    signal.addEventListener('abort', onAbort, { once: true });
    client.on('connect', () => {
      connected = true;
    });
    client.on('error', (error) => {
      if (/no matching host key format/i.test(error.message)) settle(() => resolve(undefined));
      else settle(() => reject(away(`scanning ${where} failed: ${error.message}`, error)));
    });
    client.on('close', () => settle(() => reject(away(`${where} closed the connection`))));
    if (signal.aborted) return onAbort();
    client.connect({
      host: address,
      port,
      username: 'stackgate',
      readyTimeout: 0,
      algorithms: { serverHostKey: [...algorithms] },
      hostVerifier: (key: Buffer) => {
        settle(() => resolve(key));
        return false;
      },
    });
  });
}
