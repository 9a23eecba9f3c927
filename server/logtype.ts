import { open } from 'node:fs/promises';

/**
 * How the content of a log file is shown. Builds choose names and content, so there are few types and none of them runs:
 * text, HTML (in a sandbox), pictures made of pixels, and bytes.
 */
const pictures: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  ico: 'image/x-icon',
};

const bytes =
  /\.(tar|tgz|tbz2?|txz|zip|7z|xz|bz2|zst|gz|jar|whl|egg|rpm|deb|img|iso|qcow2|vmdk|raw|bin|so|o|a|pyc|core|pcap|db|sqlite3?|subunit|pdf|exe|woff2?|ttf)$/i;
const binary = 'application/octet-stream';

/** Type by the name without its `.gz`. Undefined: the content must be looked at. */
export function typeByName(name: string): string | undefined {
  if (bytes.test(name)) return binary;
  const extension = /\.([A-Za-z0-9]{1,10})$/.exec(name)?.[1]?.toLowerCase() ?? '';
  if (extension === 'html' || extension === 'htm') return 'text/html; charset=utf-8';
  if (extension === 'css') return 'text/css; charset=utf-8';
  if (extension === 'json') return 'application/json; charset=utf-8';
  return pictures[extension];
}

/** `text/plain`, or bytes when there is a NUL in the beginning. */
export async function typeByContent(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
    return buffer.subarray(0, bytesRead).includes(0) ? binary : 'text/plain; charset=utf-8';
  } finally {
    await file.close();
  }
}
