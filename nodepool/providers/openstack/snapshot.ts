import { setTimeout as sleep } from 'node:timers/promises';
import { MARK } from './machine.ts';
import { CloudError } from './refusal.ts';
import type { Session } from './session.ts';
import { type Image, Images } from './wire.ts';

const LOOK = 5_000;
const MINE = 'stackgate_image';

/** Saves the disk of a server, waits until the image can be booted, and only then removes older ones of the same name that are ours. */
export async function saveImage(
  session: Session,
  server: string,
  { name, site }: { readonly name: string; readonly site: string },
  signal: AbortSignal,
): Promise<void> {
  const images = async (query: Readonly<Record<string, string>>): Promise<Image[]> =>
    Images.parse(await session.call('image', { path: '/images', query }, signal)).images;
  const before = await images({ name, [MINE]: site });
  const createImage = { name, metadata: { [MINE]: site, [MARK.site]: site } };
  await session.call(
    'compute',
    { method: 'POST', path: `/servers/${encodeURIComponent(server)}/action`, body: { createImage } },
    signal,
  );
  for (;;) {
    const fresh = (await images({ name, [MINE]: site })).filter(({ id }) =>
      before.every((old) => old.id !== id),
    );
    if (fresh.some(({ status }) => status === 'active')) break;
    const dead = fresh.find(({ status }) => status === 'killed' || status === 'deleted');
    if (dead !== undefined)
      throw new CloudError(500, `the image ${name} of server ${server} is ${dead.status}`);
    await sleep(LOOK, undefined, { signal }).catch((cause: unknown) => {
      throw new CloudError(0, `the image ${name} was not ready in time`, { cause });
    });
  }
  for (const { id } of before)
    await session.call('image', { method: 'DELETE', path: `/images/${id}` }, signal);
}

/** Names of the images that carry our site's mark, whatever their state. */
export async function savedImages(
  session: Session,
  site: string,
  signal: AbortSignal,
): Promise<readonly Image[]> {
  const query = { [MINE]: site, limit: 1000 };
  return Images.parse(await session.call('image', { path: '/images', query }, signal)).images;
}

/** Deletes every image of ours with this name. */
export async function dropImages(
  session: Session,
  { name, site }: { readonly name: string; readonly site: string },
  signal: AbortSignal,
): Promise<void> {
  const found = (await savedImages(session, site, signal)).filter((image) => image.name === name);
  for (const { id } of found) {
    try {
      await session.call('image', { method: 'DELETE', path: `/images/${id}` }, signal);
    } catch (caught) {
      if (!(caught instanceof CloudError && caught.status === 404)) throw caught;
    }
  }
}
