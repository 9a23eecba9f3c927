import { createHash, randomBytes } from 'node:crypto';
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { Fault } from '../pipelines/fault.ts';

/** The door of this process: where it listens, who may ask, and how the command line finds it. */
export interface Door {
  /** `http://127.0.0.1:8001/`, reachable from this machine. */
  readonly url: string;
  close(): Promise<void>;
}

/** Opens the door, and leaves its address in `sign` for the command line. */
export async function openDoor(app: FastifyInstance, listen: string, sign?: string): Promise<Door> {
  const url = await listenOn(app, listen);
  if (sign !== undefined) await writeWhole(sign, `${JSON.stringify({ url, pid: process.pid })}\n`);
  return { url, close: () => app.close() };
}

/** The site's token: made once, readable by its owner only. Whoever can read it may ask for everything. */
export async function siteToken(data: string): Promise<{ readonly name: string; readonly sha256: string }> {
  const file = join(data, 'token');
  const known = await readFile(file, 'utf8').catch(() => undefined);
  const token = known?.trim() ?? randomBytes(32).toString('hex');
  if (known === undefined) await writeWhole(file, `${token}\n`);
  else await chmod(file, 0o600);
  return { name: 'operator', sha256: createHash('sha256').update(token).digest('hex') };
}

async function listenOn(app: FastifyInstance, listen: string): Promise<string> {
  const [, host = '', port = '0'] = /^(.*):(\d+)$/.exec(listen) ?? [];
  try {
    await app.listen({ host: host.replace(/^\[|\]$/g, ''), port: Number(port) });
  } catch (caught) {
    const reason = caught instanceof Error ? caught.message : String(caught);
    throw new Fault('config-invalid', `cannot listen on ${listen}: ${reason}`, {
      hint: 'choose another `listen:` in stackgate.yaml',
      cause: caught,
    });
  }
  const address = app.server.address();
  const taken = typeof address === 'object' && address !== null ? address.port : Number(port);
  const local = host === '' || host === '0.0.0.0' || host === '::' || host === '[::]' ? '127.0.0.1' : host;
  return `http://${local}:${taken}/`;
}

/** Never half a file: written aside and renamed. */
async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
