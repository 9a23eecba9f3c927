import { didYouMean } from '../../problem.ts';
import { SLAVE_SCRIPTS } from '../../slavescripts.ts';
import type { Component, InlinedJob } from '../macros.ts';
import { isDict, isList } from '../python.ts';
import type { Report } from './report.ts';

/** Paths of the files of the site's `slave-scripts` directory, relative to it. */
export type SlaveScripts = ReadonlySet<string>;

const CALL = /\/usr\/local\/jenkins\/slave_scripts\/([A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*)/g;

/** A script that a job calls and the site lacks would fail every build: it is told before one begins. */
export function checkSlaveScripts(
  inlined: InlinedJob,
  scripts: SlaveScripts | undefined,
  report: Report,
): void {
  for (const list of ['builders', 'publishers']) {
    for (const part of inlined.parts[list] ?? []) {
      for (const path of called(part)) check(path, part, scripts, report);
    }
  }
}

function check(path: string, part: Component, scripts: SlaveScripts | undefined, report: Report): void {
  if (scripts === undefined) {
    const message = `${SLAVE_SCRIPTS}/${path} must be on the node: the site names no directory "slave-scripts:".`;
    report.ignored('slave-scripts', message, part.at, part);
    return;
  }
  if (scripts.has(path) || [...scripts].some((each) => each.startsWith(`${path}/`))) return;
  const near = didYouMean(path, [...scripts]);
  const hint = near === undefined ? 'Put it into the directory "slave-scripts:".' : `Did you mean "${near}"?`;
  report.unsupported('slave-script', `${SLAVE_SCRIPTS}/${path}`, part.at, part, hint);
}

function called(part: Component): ReadonlySet<string> {
  const paths = new Set<string>();
  const visit = (value: unknown, depth: number): void => {
    if (typeof value === 'string') {
      // Nearly all of a corpus calls none.
      if (!value.includes(SLAVE_SCRIPTS)) return;
      for (const match of value.matchAll(CALL))
        if (match[1] !== undefined) paths.add(match[1].replace(/\.+$/, ''));
    } else if (depth < 12 && isList(value)) for (const each of value) visit(each, depth + 1);
    else if (depth < 12 && isDict(value)) for (const each of Object.values(value)) visit(each, depth + 1);
  };
  visit(part.value, 0);
  return paths;
}
