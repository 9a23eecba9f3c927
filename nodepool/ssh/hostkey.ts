import { createHash, timingSafeEqual } from 'node:crypto';
import ssh2, { type ServerHostKeyAlgorithm } from 'ssh2';
import { Fault } from '../../pipelines/fault.ts';

/**
 * Which host keys a node may present. A job's console, its artifacts and the node's root account hang on it, so a key that
 * nobody named is never accepted: it was given in the configuration, or scanned when the node was new and kept since.
 */
export interface PinnedKeys {
  accepts(key: Buffer): boolean;
  /** Host key algorithms to offer, so that the node presents a key of a type that we know; undefined for fingerprints. */
  readonly algorithms: readonly ServerHostKeyAlgorithm[] | undefined;
}

const algorithmsOf: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** Host key types worth asking a node for, each with the algorithms that make it show one. */
export const keyTypes: readonly (readonly ServerHostKeyAlgorithm[])[] = Object.values(algorithmsOf);

/**
 * Nodepool's form `type base64`, lines of known_hosts or ssh-keyscan (their host is not compared: it is this node's list) and
 * `SHA256:` fingerprints. Throws Fault `config-invalid` for a line without a key, and for an empty list.
 */
export function pinnedKeys(lines: readonly string[], where: string): PinnedKeys {
  const keys: Buffer[] = [];
  const fingerprints: string[] = [];
  for (const line of lines.flatMap((text) => text.split('\n'))) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const words = line.trim().split(/\s+/);
    const key = words.map(publicKey).find((found) => found !== undefined);
    if (key !== undefined) keys.push(key);
    else if (/^SHA256:[A-Za-z0-9+/]{43}=?$/.test(words[0] ?? '')) {
      fingerprints.push((words[0] ?? '').replace(/=$/, ''));
    } else {
      throw new Fault('config-invalid', `${where}: no host key in ${JSON.stringify(line.slice(0, 80))}`, {
        hint: 'Give lines as ssh-keyscan prints them, or a SHA256: fingerprint.',
      });
    }
  }
  if (keys.length + fingerprints.length === 0) {
    throw new Fault('config-invalid', `${where}: no host key is known`, {
      hint: `Scan them on a network you trust (ssh-keyscan), compare, and pin them.`,
    });
  }
  const algorithms = [...new Set(keys.map(keyType))].flatMap((type) => algorithmsOf[type] ?? []);
  return {
    accepts: (key) => keys.some((known) => same(known, key)) || fingerprints.includes(fingerprint(key)),
    algorithms: fingerprints.length > 0 ? undefined : algorithms,
  };
}

function publicKey(word: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]{32,}={0,2}$/.test(word)) return undefined;
  const key = Buffer.from(word, 'base64');
  if (algorithmsOf[keyType(key)] === undefined) return undefined;
  return ssh2.utils.parseKey(`${keyType(key)} ${word}`) instanceof Error ? undefined : key;
}

function keyType(key: Buffer): string {
  const length = key.length < 4 ? 0 : key.readUInt32BE(0);
  return length > 64 ? '' : key.toString('latin1', 4, 4 + length);
}

function same(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** As OpenSSH prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** Nodepool's form: `ssh-ed25519 AAAA...`. */
export function keyLine(key: Buffer): string {
  return `${keyType(key)} ${key.toString('base64')}`;
}
