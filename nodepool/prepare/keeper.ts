import { Fault } from '../../pipelines/fault.ts';
import type { Told } from '../admin.ts';
import type { Context } from '../context.ts';
import type { Desk } from '../desk.ts';
import { nodeId } from '../node.ts';
import { superfluous } from './images.ts';
import type { ImageRecord } from './record.ts';

/** Keeps the prepared images of the site: those that are of no more use are deleted at their providers, and then forgotten. */
export interface ImageKeeper {
  /** Looks at all of them now; what goes wrong is tried again later. */
  look(): Promise<void>;
  /** Throws Fault when the provider does not know an image that it says it saved. */
  readBack(desk: Desk, name: string): Promise<void>;
  drop(id: string): Promise<Told>;
  /** Looks now and then, until the launcher ends. */
  run(): Promise<void>;
}

const every = 60 * 60_000;

export function openImageKeeper(context: Context, saving: ReadonlySet<string>): ImageKeeper {
  const { book, desks, options, log, stop } = context;
  const { timer } = options;
  let looking: Promise<void> = Promise.resolve();

  const keeper: ImageKeeper = {
    look() {
      looking = looking.then(lookNow).catch((caught: unknown) => {
        if (!stop.aborted) log('a look at prepared images failed', { error: String(caught) });
      });
      return looking;
    },
    async readBack(desk, name) {
      const answer = await namesAt(desk);
      if (answer.kind !== 'images') {
        throw new Fault('node-lost', `whether the image was saved is not known: ${answer.reason}`);
      }
      if (!answer.images.includes(name)) {
        throw new Fault('node-lost', `${desk.config.name} saved the image ${name} and does not know it`);
      }
    },
    async drop(id) {
      const image = book.images.get(nodeId(id));
      if (image === undefined) return { kind: 'absent', reason: `there is no prepared image ${id}` };
      if (saving.has(image.id)) return { kind: 'conflict', reason: `${image.name} is being saved` };
      await toDelete(image, 'deleted by a person');
      await keeper.look();
      const isThere = book.images.has(image.id);
      return { kind: 'done', note: `${image.name} is ${isThere ? 'being deleted' : 'deleted'}` };
    },
    async run() {
      while (!stop.aborted) {
        await keeper.look();
        await timer.sleep(every, stop).catch(() => undefined);
      }
    },
  };
  return keeper;

  async function lookNow(): Promise<void> {
    for (const desk of desks.all.values()) {
      if (desk.provider.deleteImage === undefined || stop.aborted) continue;
      await mark(desk);
      for (const image of imagesAt(desk)) if (image.state.phase === 'deleting') await remove(desk, image);
      await removeStrangers(desk);
    }
  }

  function imagesAt({ config }: Desk): ImageRecord[] {
    return [...book.images.values()].filter(({ provider }) => provider === config.name);
  }

  async function mark(desk: Desk): Promise<void> {
    const provider = desk.config.name;
    const all = imagesAt(desk);
    for (const label of new Set(all.map((image) => image.label))) {
      const prepare = context.standing.wanted.labels.get(label)?.prepare;
      const of = { label, provider, keep: prepare?.keep ?? 0 };
      for (const { image, reason } of superfluous(all, of, saving))
        await toDelete(image, prepare === undefined ? 'its label is not prepared any more' : reason);
    }
  }

  async function toDelete(image: ImageRecord, reason: string): Promise<void> {
    await book.write({ put: { images: [{ ...image, state: { phase: 'deleting', reason } }] } });
  }

  async function remove(desk: Desk, { id, name, state }: ImageRecord): Promise<void> {
    const { provider, config } = desk;
    const deleteImage = provider.deleteImage?.bind(provider);
    if (deleteImage === undefined) return;
    const answer = await desk.call('deleteImage', (signal) => deleteImage(name, signal), stop);
    const reason = state.phase === 'deleting' ? state.reason : '';
    log('prepared image', { provider: config.name, image: name, reason, answer: answer.kind });
    if (answer.kind === 'gone') await book.write({ drop: { images: [id] } });
  }

  /** A record is there before its image is, so what no record knows was left by a crash or a restored database. */
  async function removeStrangers(desk: Desk): Promise<void> {
    const deleteImage = desk.provider.deleteImage?.bind(desk.provider);
    const answer = await namesAt(desk);
    if (deleteImage === undefined || answer.kind !== 'images') return;
    // Two providers may be one cloud.
    const known = new Set([...book.images.values()].map(({ name }) => name));
    for (const name of answer.images) {
      if (known.has(name)) continue;
      const gone = await desk.call('deleteImage', (signal) => deleteImage(name, signal), stop);
      log('leaked image', { provider: desk.config.name, image: name, answer: gone.kind });
    }
  }

  async function namesAt(desk: Desk) {
    const images = desk.provider.images?.bind(desk.provider);
    if (images === undefined) return { kind: 'permanent', reason: 'it cannot list images' } as const;
    return await desk.call('images', (signal) => images(signal), stop);
  }
}
