import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** The built web application: a few files, read once, kept packed and unpacked. */

export interface Asset {
  readonly type: string;
  readonly etag: string;
  readonly body: Buffer;
  /** Undefined where packing gains nothing. */
  readonly gzip: Buffer | undefined;
}

export interface WebApp {
  /** The document that every page of the application begins as. */
  readonly page: Asset;
  /** By name below `/assets/`; the name holds a hash of the content. */
  readonly assets: ReadonlyMap<string, Asset>;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json; charset=utf-8',
};

/** Undefined when the directory holds no built application. */
export function readWebApp(directory: string | undefined): WebApp | undefined {
  if (directory === undefined) return undefined;
  try {
    const page = asset(join(directory, 'index.html'));
    const folder = join(directory, 'assets');
    const assets = new Map(readdirSync(folder).map((name) => [name, asset(join(folder, name))]));
    return { page, assets };
  } catch {
    return undefined;
  }
}

function asset(file: string): Asset {
  const body = readFileSync(file);
  const packed = gzipSync(body, { level: 9 });
  const etag = `"${createHash('sha1').update(body).digest('base64url')}"`;
  const type = types[extname(file)] ?? 'application/octet-stream';
  return { type, etag, body, gzip: packed.length < body.length * 0.9 ? packed : undefined };
}
