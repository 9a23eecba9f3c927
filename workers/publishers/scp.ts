import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { PublisherOf, Scp } from '../../jobs/definition/publisher.ts';
import { asFault, backoff } from '../../pipelines/fault.ts';
import { crashpoint } from '../crashpoint.ts';
import { expanded, type Publish, type Publishing, type Services } from './publishing.ts';
import { openUpload, type ScpHost, type Upload } from './scphost.ts';

/**
 * Jenkins' SCP plug-in. Files replace themselves on the host, so a copy that was cut short is done again as a whole; one that
 * was written down as done is not. The console goes last, when its last line is written.
 */

const Copied = z.object({ files: z.number(), failed: z.string().optional() });
type Copied = z.infer<typeof Copied>;

const attempts = 4;

export const publishScp: Publish<'scp'> = async (publisher, publishing, services) => {
  const wanted = wantedFiles(publisher, publishing).filter((entry) => entry.include.length > 0);
  if (wanted.length === 0) return;
  const done = await upload(publisher, publishing, services, 'files', async (host) => {
    let files = 0;
    for (const entry of wanted) {
      const target = expanded(entry.target, publishing.env);
      const base = baseOf(entry.include);
      for await (const file of publishing.collect(entry.include, [])) {
        const name = entry.keepHierarchy ? file.path : file.path.slice(base.length);
        await host.put(below(target, name), file.content);
        files += 1;
      }
    }
    return files;
  });
  await publishing.say(inWords(publisher, done));
  // The plug-in fails a build whose files it could not copy.
  if (done.failed !== undefined) publishing.worsen('UNSTABLE', `scp: ${done.failed}`);
};

/** The consoles that a job wants copied, when nothing is added to them any more. */
export async function publishConsoles(
  publishers: readonly PublisherOf<'scp'>[],
  publishing: Publishing,
  services: Services,
): Promise<void> {
  for (const [index, publisher] of publishers.entries()) {
    const wanted = wantedFiles(publisher, publishing).filter((entry) => entry.console);
    if (wanted.length === 0) continue;
    const done = await upload(publisher, publishing, services, `console-${index}`, async (host) => {
      for (const { target } of wanted) {
        await host.put(below(expanded(target, publishing.env), 'console.html'), page(publishing.console()));
        await host.put(below(expanded(target, publishing.env), 'console.txt'), publishing.console());
      }
      return wanted.length;
    });
    if (done.failed !== undefined) publishing.note(`scp-console-${index}`, done.failed);
  }
}

function wantedFiles(publisher: PublisherOf<'scp'>, { verdict }: Publishing): Scp['files'] {
  const good = ['SUCCESS', 'UNSTABLE'].includes(verdict().result);
  return publisher.files.filter((entry) => good || entry.afterFailure);
}

async function upload(
  publisher: PublisherOf<'scp'>,
  publishing: Publishing,
  services: Services,
  what: string,
  work: (host: Upload) => Promise<number>,
): Promise<Copied> {
  const host = services.scpHosts.get(publisher.site);
  if (host === undefined) return { files: 0, failed: `the site has no scp-sites ${publisher.site}` };
  return await publishing.once(`scp-${publisher.site}-${what}`, Copied, async () => {
    crashpoint('build.scp.before');
    const done = await persist(host, publishing.signal, work);
    crashpoint('build.scp.after');
    return done;
  });
}

/** A host that is away may be back in a moment; a build does not wait for it for ever. */
async function persist(
  host: ScpHost,
  signal: AbortSignal,
  work: (host: Upload) => Promise<number>,
): Promise<Copied> {
  for (let attempt = 1; ; attempt++) {
    try {
      await using open = await openUpload(host, signal);
      return { files: await work(open) };
    } catch (caught) {
      const fault = asFault(caught);
      signal.throwIfAborted();
      if (fault.code !== 'scp-away' && fault.code !== 'config-invalid') throw fault;
      if (!fault.retry || attempt >= attempts) return { files: 0, failed: fault.message };
      await sleep(backoff(attempt, 500, 20_000, Math.random()), undefined, { signal });
    }
  }
}

function inWords(publisher: PublisherOf<'scp'>, done: Copied): string {
  return done.failed === undefined
    ? `Copied ${done.files} files to ${publisher.site}`
    : `Cannot copy files to ${publisher.site}: ${done.failed}`;
}

/** As the plug-in does without keep-hierarchy: what stands before the first wildcard is left out. */
function baseOf(patterns: readonly string[]): string {
  const [first = '', ...more] = patterns.map((pattern) => {
    const fixed = /^[^*?]*/.exec(pattern)?.[0] ?? '';
    return fixed.slice(0, fixed.lastIndexOf('/') + 1);
  });
  return more.every((base) => base === first) ? first : '';
}

/** A path below the root, whatever the variables in it hold. */
function below(target: string, name: string): string {
  return `${target}/${name}`
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..')
    .map((part) => part.replaceAll('\0', ''))
    .join('/');
}

/** OpenStack's log servers know consoles as `console.html`. */
async function* page(console: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  yield Buffer.from('<!DOCTYPE html><meta charset="utf-8"><title>Console</title><pre>\n');
  const signs: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
  const decoder = new TextDecoder();
  for await (const chunk of console) {
    const text = decoder.decode(chunk, { stream: true });
    yield Buffer.from(text.replace(/[&<>]/g, (sign) => signs[sign] ?? sign));
  }
  yield Buffer.from('</pre>\n');
}
