import type { CollectedFile } from '../../pipelines/ports.ts';
import type { Publish } from './publishing.ts';

/** What a publisher of the site's own gets to do with a build. docs/jobs.md has an example. */
export interface OwnPublishing {
  readonly job: string;
  readonly number: number;
  readonly uuid: string;
  readonly result: string;
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** A line in the console. */
  say(text: string): Promise<void>;
  /** Makes the result worse: `UNSTABLE` or `FAILURE`, with a sentence. */
  worsen(result: 'UNSTABLE' | 'FAILURE', detail: string): void;
  /** Files of the workspace by ANT patterns, secrets masked. */
  collect(include: readonly string[]): AsyncIterable<CollectedFile>;
  /** Adds a file to the build's folder on the log site. */
  add(path: string, content: string | Uint8Array): Promise<void>;
}

/** By the name jobs use. It may be run again after a restart, and must be content with that. */
export type OwnPublishers = Readonly<
  Record<string, (options: unknown, build: OwnPublishing) => Promise<void> | void>
>;

export const publishOwn: Publish<'own'> = async (publisher, publishing, services) => {
  const { name, options } = publisher;
  const work = Object.hasOwn(services.own, name) ? services.own[name] : undefined;
  if (work === undefined) {
    publishing.worsen('POST_FAILURE', `the site's plug-ins have no publisher ${name} any more`);
    return;
  }
  const { action, url, env, signal, folder } = publishing;
  try {
    await work(options, {
      job: action.job,
      number: action.number,
      uuid: action.uuid,
      result: publishing.verdict().result,
      url,
      env,
      signal,
      say: publishing.say,
      worsen: publishing.worsen,
      collect: (include) => publishing.collect(include, []),
      async add(path, content) {
        const bytes = Buffer.from(content);
        await folder.add({ path, size: bytes.length, content: once(bytes) });
      },
    });
  } catch (caught) {
    signal.throwIfAborted();
    const why = caught instanceof Error ? caught.message : String(caught);
    await publishing.say(`Publisher ${name} failed: ${why}`);
    publishing.worsen('POST_FAILURE', `publisher ${name} failed: ${why}`);
  }
};

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
