import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { Fault } from '../../pipelines/fault.ts';

/**
 * The pinned host key. Whoever answers on Gerrit's address decides what we build and receives our votes, so an unknown key is
 * never accepted and never learned by itself: the refusal prints the line to add, and a person compares it with the
 * fingerprints that the site publishes.
 *
 * A server presents one key, of the type that both sides agreed on. If only the RSA key is pinned, we must not agree on
 * ed25519: so the pinned types also decide which types we offer.
 */
export interface HostKeys {
  accepts(key: Buffer): boolean;
  /** Host key algorithms to offer, in order of preference; undefined when the types are not known (fingerprints). */
  readonly algorithms: readonly HostKeyAlgorithm[] | undefined;
}

export type HostKeyAlgorithm =
  | 'ssh-ed25519'
  | 'ecdsa-sha2-nistp256'
  | 'ecdsa-sha2-nistp384'
  | 'ecdsa-sha2-nistp521'
  | 'rsa-sha2-512'
  | 'rsa-sha2-256'
  | 'ssh-rsa';

const ALGORITHMS: Readonly<Record<string, readonly HostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'],
};

/**
 * Reads lines of `known_hosts` (hashed names, lists and `[host]:port` included), bare `type base64` or `base64` public keys,
 * and `SHA256:...` fingerprints, mixed as they come. Lines for other hosts are skipped; `@revoked` keys are refused.
 */
export function readHostKeys(text: string, host: string, port: number): HostKeys {
  const keys: Buffer[] = [];
  const fingerprints: string[] = [];
  const revoked: Buffer[] = [];
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    if (/^SHA256:[A-Za-z0-9+/]{43}=?$/.test(line)) {
      fingerprints.push(line.replace(/=$/, ''));
      continue;
    }
    const found = readLine(line, host, port);
    if (found === 'other') continue;
    if (found === undefined)
      throw new Fault(
        'config-invalid',
        `cannot read a host key in the line ${JSON.stringify(line.slice(0, 80))}`,
        {
          hint: 'Give known_hosts lines, a public key or a SHA256: fingerprint.',
        },
      );
    (found.revoked ? revoked : keys).push(found.key);
  }
  const types = new Set(keys.map(keyType));
  const algorithms = Object.entries(ALGORITHMS).flatMap(([type, names]) => (types.has(type) ? names : []));
  return {
    accepts: (key) =>
      !revoked.some((bad) => same(bad, key)) &&
      (keys.some((good) => same(good, key)) || fingerprints.includes(fingerprint(key))),
    algorithms: fingerprints.length > 0 || algorithms.length === 0 ? undefined : algorithms,
  };
}

function readLine(
  line: string,
  host: string,
  port: number,
): { key: Buffer; revoked: boolean } | 'other' | undefined {
  const words = line.split(/\s+/);
  const marker = words[0]?.startsWith('@') === true ? words.shift() : undefined;
  if (marker === '@cert-authority') return 'other';
  const revoked = marker === '@revoked';
  const [first = '', second = '', third = ''] = words;
  const bare = publicKey(first) ?? (first in ALGORITHMS ? publicKey(second) : undefined);
  if (bare !== undefined) return { key: bare, revoked };
  const key = publicKey(third);
  if (key === undefined) return undefined;
  return namesHost(first, host, port) ? { key, revoked } : 'other';
}

function publicKey(word: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]{32,}={0,2}$/.test(word)) return undefined;
  const key = Buffer.from(word, 'base64');
  return keyType(key) in ALGORITHMS ? key : undefined;
}

/** The key type a public key blob begins with; empty when it is no such blob. */
function keyType(key: Buffer): string {
  if (key.length < 4) return '';
  const length = key.readUInt32BE(0);
  return length > 64 ? '' : key.toString('latin1', 4, 4 + length);
}

/** `known_hosts` names a host on a port other than 22 as `[host]:port`. */
function namesHost(patterns: string, host: string, port: number): boolean {
  const names = port === 22 ? [host] : [`[${host}]:${port}`];
  if (patterns.startsWith('|1|')) {
    const [, , salt = '', hash = ''] = patterns.split('|');
    return names.some(
      (name) => createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash,
    );
  }
  let named = false;
  for (const pattern of patterns.split(',')) {
    const negated = pattern.startsWith('!');
    if (!names.some((name) => globMatches(negated ? pattern.slice(1) : pattern, name))) continue;
    if (negated) return false;
    named = true;
  }
  return named;
}

function globMatches(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'i').test(name);
}

function same(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** As OpenSSH prints it: `SHA256:` and base64 without padding. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The `known_hosts` line that would make this key known. */
export function knownHostsLine(key: Buffer, host: string, port: number): string {
  return `${port === 22 ? host : `[${host}]:${port}`} ${keyType(key)} ${key.toString('base64')}`;
}

export function unknownHostKey(key: Buffer, host: string, port: number): Fault {
  return new Fault(
    'gerrit-host-key',
    `${host}:${port} presented a host key that is not pinned (${fingerprint(key)})`,
    {
      hint: `Compare the fingerprint with the site's published one; if it is right, add this line to the host keys: ${knownHostsLine(key, host, port)}`,
    },
  );
}
