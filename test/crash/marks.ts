import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a build of the crash site left behind about itself. */
export interface Mark {
  readonly uuid: string;
  readonly what: string;
  readonly runs: number;
  readonly ended: boolean;
  /** How often the step after the build ran. */
  readonly afters: number;
}

export function readMarks(folder: string): Mark[] {
  return readdirSync(folder).map((uuid) => {
    const names = readdirSync(join(folder, uuid));
    const what = names.includes('what') ? readFileSync(join(folder, uuid, 'what'), 'utf8').trim() : '?';
    return {
      uuid,
      what,
      runs: 1 + names.filter((name) => name.startsWith('again')).length,
      ended: names.includes('end'),
      afters: names.includes('after') ? readFileSync(join(folder, uuid, 'after'), 'utf8').length / 2 : 0,
    };
  });
}
