import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import ssh2 from 'ssh2';

const { utils } = ssh2;

export interface KeyPair {
  /** OpenSSH private key, as a client reads it from a file. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA... comment`. */
  readonly publicKey: string;
}

/** One key in four hundred that ssh2 1.17 makes cannot be read again (by itself or OpenSSH): then another is made. */
export function makeKeyPair(comment: string): KeyPair {
  for (;;) {
    const pair = utils.generateKeyPairSync('ed25519', { comment });
    if (utils.parseKey(pair.private) instanceof Error) continue;
    return { privateKey: pair.private, publicKey: pair.public };
  }
}

/** The key pair kept in `path` and `path.pub`, made when there is none. */
export function keptKeyPair(path: string, comment: string): KeyPair {
  if (existsSync(path)) {
    return {
      privateKey: readFileSync(path, 'utf8'),
      publicKey: readFileSync(`${path}.pub`, 'utf8').trim(),
    };
  }
  const pair = makeKeyPair(comment);
  mkdirSync(dirname(path), { recursive: true });
  // The public half first: a key file that exists always has its other half.
  writeFileSync(`${path}.pub`, `${pair.publicKey}\n`);
  writeFileSync(path, pair.privateKey, { mode: 0o600 });
  return pair;
}

/** Does the signature, or without one the key alone, belong to one of the public keys? */
export function isKeyOf(
  keys: readonly string[],
  offered: Buffer,
  proof: { blob: Buffer; signature: Buffer; hashAlgo: string | undefined } | undefined,
): boolean {
  for (const line of keys) {
    const key = utils.parseKey(line);
    if (key instanceof Error || !key.getPublicSSH().equals(offered)) continue;
    if (proof === undefined) return true;
    // Answers an Error where the types promise a boolean.
    const verified: unknown = key.verify(proof.blob, proof.signature, proof.hashAlgo);
    return verified === true;
  }
  return false;
}
