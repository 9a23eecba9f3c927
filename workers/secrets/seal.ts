import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { z } from 'zod';

/**
 * A text under a key: AES-256-GCM, its key made by scrypt from whatever the key file holds and a salt of each sealing. Header
 * and version are sealed with it, so that nobody can weaken what they say.
 */

const Base64 = z.string().regex(/^[A-Za-z0-9+/]*=*$/);
const Sealed = z.strictObject({
  format: z.literal('stackgate-secrets-1'),
  /** Cost of scrypt: 2^cost rounds. Bounded, since whoever can write the file could otherwise stop us. */
  cost: z.int().min(14).max(20),
  salt: Base64,
  nonce: Base64,
  tag: Base64,
  data: Base64,
});
type Sealed = z.infer<typeof Sealed>;

const COST = 15;

export async function seal(plain: string, key: Uint8Array): Promise<string> {
  const head = {
    format: 'stackgate-secrets-1',
    cost: COST,
    salt: randomBytes(16).toString('base64'),
  } as const;
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', await derive(key, head), nonce);
  cipher.setAAD(Buffer.from(JSON.stringify([head.format, head.cost, head.salt])));
  const data = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]).toString('base64');
  const sealed: Sealed = {
    ...head,
    nonce: nonce.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    data,
  };
  return `${JSON.stringify(sealed, null, 2)}\n`;
}

/** Undefined: the key does not open it, somebody changed it, or it is no sealed text at all. */
export async function unseal(text: string, key: Uint8Array): Promise<string | undefined> {
  const sealed = readSealed(text);
  if (sealed === undefined) return undefined;
  const { format, cost, salt, nonce, tag, data } = sealed;
  try {
    const decipher = createDecipheriv(
      'aes-256-gcm',
      await derive(key, sealed),
      Buffer.from(nonce, 'base64'),
      { authTagLength: 16 },
    );
    decipher.setAAD(Buffer.from(JSON.stringify([format, cost, salt])));
    decipher.setAuthTag(Buffer.from(tag, 'base64'));
    return Buffer.concat([decipher.update(data, 'base64'), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

function readSealed(text: string): Sealed | undefined {
  try {
    return Sealed.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function derive(key: Uint8Array, { cost, salt }: Pick<Sealed, 'cost' | 'salt'>): Promise<Buffer> {
  const N = 2 ** cost;
  return new Promise((resolve, reject) => {
    scrypt(key, Buffer.from(salt, 'base64'), 32, { N, r: 8, p: 1, maxmem: 256 * N * 8 }, (error, derived) =>
      error === null ? resolve(derived) : reject(error),
    );
  });
}
