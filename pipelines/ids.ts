/**
 * Identities without a random source: every id is computed from the site (16 hex, drawn once when the data directory was
 * made) and a counter that lies in the world. So a replayed journal asks for the same things under the same names.
 */

const M28 = 0x0fff_ffff;

/** Murmur3's finaliser: a bijection of 32 bits that lets every input bit reach every output bit. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** Shuffles 28 bits: a Feistel network of four rounds, so no two counters share an answer. */
function shuffle28(counter: number, key: number): number {
  let left = (counter >>> 14) & 0x3fff;
  let right = counter & 0x3fff;
  for (let round = 1; round <= 4; round++) {
    [left, right] = [right, left ^ (mix(right ^ Math.imul(key, round) ^ round) & 0x3fff)];
  }
  return ((left << 14) | right) & M28;
}

/**
 * 32 hex for (site, realm, counter). Within a site and realm the first 7 digits, which people and log paths use as the short
 * name of a build, differ for 2^28 counters; across sites and realms the rest keeps them apart.
 */
export function uuid(site: string, realm: number, counter: number): string {
  const keys = [0, 8].map((at) => Number.parseInt(site.slice(at, at + 8), 16) >>> 0);
  const [a = 0, b = 0] = keys;
  const high = Math.floor(counter / 2 ** 28);
  const head = shuffle28(counter & M28, mix(a ^ Math.imul(realm, 0x9e37_79b1)));
  let state = mix(b ^ Math.imul(realm + 1, 0x7feb_352d));
  const words: string[] = [];
  for (const word of [counter & M28, high, a, b]) {
    state = mix(state ^ word ^ Math.imul(words.length + 1, 0x9e37_79b1));
    words.push(hex(state, 8));
  }
  return (hex(head, 7) + words.join('')).slice(0, 32);
}

export const realms = { build: 1, ref: 2 } as const;
