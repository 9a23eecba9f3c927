import ssh2, { type SFTPWrapper } from 'ssh2';
import { Fault } from '../../pipelines/fault.ts';
import { readHostKeys } from '../gerrit/hostkey.ts';
import { readPrivateKey } from '../gerrit/privatekey.ts';

/** A host that jobs copy files to (`scp-sites`), by SSH's file transfer. */
export interface ScpHost {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly keyFile: string;
  /** Lines of known_hosts, public keys or fingerprints. */
  readonly hostKeys: string;
  /** Folder below which everything goes. */
  readonly root: string;
}

export interface Upload extends AsyncDisposable {
  /** Writes a file as a whole: it is there when it is complete. `path` is below the root. */
  put(path: string, content: AsyncIterable<Uint8Array>): Promise<void>;
}

const deadline = 30_000;

/** Throws Fault `scp-away`, with `retry` where the same call may succeed later. */
export async function openUpload(host: ScpHost, signal: AbortSignal): Promise<Upload> {
  const client = new ssh2.Client();
  const away = (why: string, retry = true, cause?: unknown) =>
    new Fault('scp-away', `${host.name} (${host.host}:${host.port}): ${why}`, {
      retry,
      cause,
      hint: 'Look at scp-sites in the site file: host, port, user, key, host-key.',
    });
  const keys = readHostKeys(host.hostKeys, host.host, host.port);
  const privateKey = await readPrivateKey(host.keyFile);
  let sftp: SFTPWrapper;
  try {
    sftp = await new Promise<SFTPWrapper>((resolve, reject) => {
      const aborted = () => {
        client.destroy();
        reject(away('no longer wanted'));
      };
      signal.addEventListener('abort', aborted, { once: true });
      client.on('error', (error) =>
        reject(away(error.message, error.level !== 'client-authentication', error)),
      );
      client.on('close', () => reject(away('the connection was closed')));
      client.on('ready', () =>
        client.sftp((error, channel) =>
          error === undefined ? resolve(channel) : reject(away(error.message, true, error)),
        ),
      );
      client.connect({
        host: host.host,
        port: host.port,
        username: host.user,
        privateKey,
        hostVerifier: (key: Buffer) => keys.accepts(key),
        readyTimeout: deadline,
        keepaliveInterval: 10_000,
        ...(keys.algorithms === undefined ? {} : { algorithms: { serverHostKey: [...keys.algorithms] } }),
      });
    });
  } catch (caught) {
    client.end();
    throw caught;
  }
  const made = new Set<string>();
  return {
    async put(path, content) {
      const whole = `${host.root.replace(/\/+$/, '')}/${path}`;
      const folder = whole.slice(0, whole.lastIndexOf('/'));
      try {
        await makeFolder(sftp, folder, made);
        const aside = `${folder}/.${whole.slice(folder.length + 1).slice(0, 100)}.part`;
        await write(sftp, aside, content);
        await replace(sftp, aside, whole);
      } catch (caught) {
        const why = caught instanceof Error ? caught.message : String(caught);
        throw away(`cannot write ${JSON.stringify(path)}: ${why}`, true, caught);
      }
    },
    [Symbol.asyncDispose]() {
      client.end();
      return Promise.resolve();
    },
  };
}

type Done = (error?: Error | null) => void;

function call(work: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer within a minute')), 2 * deadline);
    work((error) => {
      clearTimeout(timer);
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
  });
}

async function makeFolder(sftp: SFTPWrapper, folder: string, made: Set<string>): Promise<void> {
  if (folder === '' || made.has(folder)) return;
  made.add(folder);
  try {
    await call((done) => sftp.stat(folder, done));
  } catch {
    await makeFolder(sftp, folder.slice(0, folder.lastIndexOf('/')), made);
    // Somebody else may have made it meanwhile; the write that follows tells.
    await call((done) => sftp.mkdir(folder, done)).catch(() => undefined);
  }
}

async function write(sftp: SFTPWrapper, path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await new Promise<Buffer>((resolve, reject) =>
    sftp.open(path, 'w', (error, opened) => (error === undefined ? resolve(opened) : reject(error))),
  );
  try {
    let position = 0;
    for await (const chunk of content) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      for (let at = 0; at < bytes.length; at += 32_768) {
        const part = bytes.subarray(at, at + 32_768);
        const where = position;
        await call((done) => sftp.write(handle, part, 0, part.length, where, done));
        position += part.length;
      }
    }
  } finally {
    await call((done) => sftp.close(handle, done));
  }
}

/** SFTP's own rename refuses to replace; OpenSSH's does it at once, elsewhere the old file goes first. */
async function replace(sftp: SFTPWrapper, from: string, to: string): Promise<void> {
  try {
    await call((done) => sftp.ext_openssh_rename(from, to, done));
  } catch {
    await call((done) => sftp.unlink(to, done)).catch(() => undefined);
    await call((done) => sftp.rename(from, to, done));
  }
}
