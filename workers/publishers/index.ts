import type { Publisher } from '../../jobs/definition/publisher.ts';
import { publishAfter } from './after.ts';
import { publishArchive } from './archive.ts';
import { publishJunit } from './junit.ts';
import { publishMail, publishMailExt } from './mail.ts';
import { publishOwn } from './own.ts';
import type { Publishing, Services } from './publishing.ts';
import { publishScp } from './scp.ts';
import { publishTextFinder } from './textfinder.ts';
import { publishXunit } from './xunit.ts';

/**
 * Runs a job's publishers in the order they are written, mails last: as in Jenkins, what tells people comes after what finds
 * out.
 */
export async function publishAll(
  publishers: readonly Publisher[],
  publishing: Publishing,
  services: Services,
): Promise<void> {
  const isMail = ({ kind }: Publisher) => kind === 'mail' || kind === 'mail-ext';
  const order = [...publishers.filter((each) => !isMail(each)), ...publishers.filter(isMail)];
  for (const [index, publisher] of order.entries()) {
    // What one of them does once is another matter than what the next one does.
    const own: Publishing = {
      ...publishing,
      once: (name, schema, work) => publishing.once(`${index}-${name}`, schema, work),
      after: (name, steps) => publishing.after(`${name}-${index}`, steps),
    };
    await publishOne(publisher, own, services);
  }
}

async function publishOne(publisher: Publisher, publishing: Publishing, services: Services): Promise<void> {
  switch (publisher.kind) {
    case 'archive':
      return await publishArchive(publisher, publishing, services);
    case 'junit':
      return await publishJunit(publisher, publishing, services);
    case 'xunit':
      return await publishXunit(publisher, publishing, services);
    case 'scp':
      return await publishScp(publisher, publishing, services);
    case 'after':
      return await publishAfter(publisher, publishing, services);
    case 'mail':
      return await publishMail(publisher, publishing, services);
    case 'mail-ext':
      return await publishMailExt(publisher, publishing, services);
    case 'text-finder':
      return await publishTextFinder(publisher, publishing, services);
    case 'own':
      return await publishOwn(publisher, publishing, services);
  }
}
