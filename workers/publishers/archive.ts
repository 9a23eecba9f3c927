import { archive } from '../artifact.ts';
import type { Publish } from './publishing.ts';

/** Files of the workspace go to the folder of the build on the log site. */
export const publishArchive: Publish<'archive'> = async (publisher, publishing, services) => {
  if (publisher.onlyIfSuccess && publishing.verdict().result !== 'SUCCESS') return;
  const { folder } = publishing;
  const done = await archive(publishing.collect, publisher, folder, services.artifacts);
  const what = publisher.include.join(',');
  const left = done.skipped.length + done.skippedMore;
  const more = left === 0 ? '' : `, ${left} left out (see manifest.json)`;
  await publishing.say(`Archived ${what}: ${done.files} files, ${done.bytes} bytes${more}`);
  publishing.note('skipped', done.skipped);
  if (done.files === 0 && left === 0 && !publisher.allowEmpty && publishing.verdict().result === 'SUCCESS') {
    publishing.worsen('POST_FAILURE', `no file matches ${what}, which is to be archived`);
  }
};
