import { z } from 'zod';
import { Fault } from '../../pipelines/fault.ts';
import type { SealedParams, Store } from '../../pipelines/ports.ts';
import { seal, unseal } from './seal.ts';
import { makeKey, readKey } from './store.ts';

/** Secret parameters in the database, under the key of the site: whoever has a dump of it has only their names. */

const Params = z.record(z.string(), z.string());
/** What they belong to is sealed with them, so that nobody can give one request the values of another. */
const Belonging = z.strictObject({ of: z.string(), params: Params });

/** `key`: path of the key file. It is made with the first values, unless it is there. */
export function sealedParams(store: Pick<Store, 'keepSealed' | 'sealed'>, key: string): SealedParams {
  return {
    async keep(request, params) {
      await store.keepSealed(request, await sealFor(request, params, key));
    },
    async open(request) {
      const text = await store.sealed(request);
      return text === undefined ? undefined : await openFor(request, text, key);
    },
  };
}

export async function sealFor(
  of: string,
  params: Readonly<Record<string, string>>,
  key: string,
): Promise<string> {
  await makeKey(key);
  return await seal(JSON.stringify({ of, params }), await readKey(key));
}

export async function openFor(of: string, text: string, key: string): Promise<Record<string, string>> {
  const plain = await unseal(text, await readKey(key));
  const opened = plain === undefined ? undefined : Belonging.safeParse(JSON.parse(plain)).data;
  if (opened?.of === of) return opened.params;
  throw new Fault('secret-unreadable', `the secret parameters of ${of} cannot be opened with ${key}`, {
    hint: 'every server and worker of a site needs the same key file (`secret-store.key`)',
  });
}
