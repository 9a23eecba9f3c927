import { existsSync, readFileSync } from 'node:fs';

/** The version in package.json, which lies one folder up from the source and two up from the compiled file. */
export function version(): string {
  const file = ['../package.json', '../../package.json']
    .map((path) => new URL(path, import.meta.url))
    .find((url) => existsSync(url));
  const value: unknown = file === undefined ? {} : JSON.parse(readFileSync(file, 'utf8'));
  return typeof value === 'object' && value !== null && 'version' in value ? String(value.version) : '0';
}
