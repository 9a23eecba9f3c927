import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { Problem } from '../jobs/problem.ts';
import { sitePath } from './site.ts';
import { type Site } from './sitekeys.ts';

/** Scripts that jobs expect at /usr/local/jenkins/slave_scripts, from a directory of the site. */
export interface SlaveScriptsRead {
  /** By their paths in the directory; undefined where the site names none. */
  readonly files?: ReadonlyMap<string, string | Uint8Array>;
  readonly problems: readonly Problem[];
}

/** Bytes; they travel to the node with every build. */
const most = 4 * 1024 * 1024;

export function readSlaveScripts(site: Pick<Site, 'slave-scripts'>, base: string): SlaveScriptsRead {
  const named = site['slave-scripts'];
  if (named === undefined) return { problems: [] };
  const directory = sitePath(base, named);
  const files = new Map<string, string | Uint8Array>();
  let size = 0;
  try {
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name);
      const path = relative(directory, file).split(sep).join('/');
      if (path.split('/').includes('.git') || !statSync(file).isFile()) continue;
      const content = readFileSync(file);
      size += content.length;
      files.set(path, isText(content) ? content.toString('utf8') : content);
    }
  } catch (caught) {
    const why = caught instanceof Error ? caught.message : String(caught);
    return { problems: [wrong(`cannot read the slave-scripts: ${why}`)] };
  }
  if (size > most)
    return { problems: [wrong(`${directory} has ${size} bytes of slave-scripts, ${most} may be`)] };
  return { files, problems: [] };
}

/** Paths of such scripts are put right in text only. */
function isText(content: Buffer): boolean {
  return !content.includes(0) && Buffer.compare(Buffer.from(content.toString('utf8')), content) === 0;
}

function wrong(message: string): Problem {
  return {
    severity: 'error',
    code: 'slave-scripts',
    message,
    hint: 'Name a directory with the scripts alone with `slave-scripts:`.',
  };
}
