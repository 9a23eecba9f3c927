import { findGerrit } from './distribution.ts';

/** Once before all stories: fetches Gerrit, or says in one line why they are skipped. */
export async function setup(): Promise<void> {
  const distribution = await findGerrit();
  if (distribution.kind === 'missing') console.log(distribution.why);
}
