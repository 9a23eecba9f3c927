import { createHash } from 'node:crypto';
import { Fault } from '../../pipelines/fault.ts';

/** Names on disk and in URLs, made of names that strangers and operators chose. */

/** Names the site itself uses in the folder of a build. */
const reserved = /^(?:console\.txt|manifest\.json)(?:\.gz)?$/;

/** Controls, and letters that turn a line around. */
const invisible =
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is replaced
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffd]/g;

/** Segments of `34/1234/5/check/job/0abc123`; a leading slash (timers have no base path) is dropped. */
export function logSegments(logPath: string): string[] {
  const segments = logPath.split('/').filter((segment) => segment !== '');
  const bad = segments.some((segment) => segment === '.' || segment === '..' || segment.includes('\0'));
  if (bad || segments.length === 0) throw new Fault('bug', `${JSON.stringify(logPath)} is no log path`);
  return segments;
}

/**
 * Where an artifact goes: never out of the folder, never onto a file of ours, no part longer than a file system takes (255
 * bytes, less what we append). Changed names end in a hash of the original, so that two never meet.
 */
export function artifactPath(path: string): string | undefined {
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..') || parts.length > 64)
    return undefined;
  const first = parts[0] ?? '';
  // Dot files of the folder itself are ours while they are written.
  if (parts.length === 1 && (reserved.test(first) || first.startsWith('.'))) parts[0] = `artifact-${first}`;
  if (parts.length > 1 && reserved.test(first)) parts[0] = `artifact-${first}`;
  return parts.map(safePart).join('/');
}

function safePart(part: string): string {
  const shown = part.replace(invisible, '_');
  if (shown === part && Buffer.byteLength(part) <= 200) return part;
  const hash = createHash('sha256').update(part).digest('hex').slice(0, 8);
  const letters = Array.from(shown);
  while (Buffer.byteLength(letters.join('')) > 180) letters.pop();
  return `${letters.join('')}~${hash}`;
}
