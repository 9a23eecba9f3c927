import { readFile, stat } from 'node:fs/promises';
import ssh2 from 'ssh2';
import { Fault } from '../../pipelines/fault.ts';

/** Reads a private key file as strictly as OpenSSH does: ours alone, no passphrase (nobody is there to type it). */
export async function readPrivateKey(path: string): Promise<Buffer> {
  const bytes = await readSecretFile(path, 'private key');
  const parsed = ssh2.utils.parseKey(bytes);
  if (parsed instanceof Error) throw badKey(path, parsed.message);
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key === undefined || !key.isPrivateKey())
    throw new Fault('config-invalid', `${path} holds a public key`, {
      hint: 'Name the private key file; the public half usually ends in .pub.',
    });
  return bytes;
}

/** A file that nobody but its owner may read. `what` names it in complaints. Throws Fault `config-invalid`. */
export async function readSecretFile(path: string, what: string): Promise<Buffer> {
  try {
    const { mode, uid } = await stat(path);
    const foreign = (mode & 0o077) !== 0;
    if (foreign && uid === process.getuid?.())
      throw new Fault(
        'config-invalid',
        `${path} can be read by others (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`,
        { hint: `Run: chmod 600 ${path}` },
      );
    return await readFile(path);
  } catch (caught) {
    if (caught instanceof Fault) throw caught;
    const reason = caught instanceof Error ? caught.message : String(caught);
    throw new Fault('config-invalid', `cannot read the ${what}: ${reason}`, {
      hint: 'Make the file readable for the account that Stackgate runs as.',
      cause: caught,
    });
  }
}

function badKey(path: string, reason: string): Fault {
  if (/passphrase|encrypted/i.test(reason))
    return new Fault('config-invalid', `${path} is protected by a passphrase`, {
      hint: `Make a key of its own for the CI: ssh-keygen -t ed25519 -N '' -f ${path}`,
    });
  return new Fault('config-invalid', `${path} holds no private key that can be read (${reason})`, {
    hint: 'OpenSSH and PEM keys of the types ed25519, ecdsa and rsa can be read.',
  });
}
