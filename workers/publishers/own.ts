import type { Publish } from './publishing.ts';

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
