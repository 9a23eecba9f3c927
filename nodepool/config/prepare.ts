import { posix } from 'node:path';
import { z } from 'zod';
import { Duration, OneOrMore } from './words.ts';

/** `prepare:` of a label: what its machines have before any build comes. */

/** Where DevStack's image cache is looked for: setup-devstack-cache links what lies there into devstack/files. */
const FILES = '/opt/cache/files';

const Download = z
  .strictObject({
    url: z
      .string()
      .regex(/^https?:\/\/\S+$/, 'expected an http or https URL')
      .describe('What to download.'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/i, 'expected 64 hexadecimal digits, as sha256sum prints them')
      .transform((text) => text.toLowerCase())
      .describe('Checksum of the file; another file is refused.'),
    to: z
      .string()
      .regex(/^\/(?!.*(?:^|\/)\.\.(?:\/|$))[^\0\n]*$/, 'expected an absolute path without `..`')
      .optional()
      .describe(`Path on the machine; with a slash at its end a folder. \`${FILES}/\` when left out.`),
    via: z
      .enum(['node', 'server'])
      .default('node')
      .describe('Who downloads: the machine itself, or Stackgate, which copies it there.'),
  })
  .transform(({ to = `${FILES}/`, ...rest }) => {
    const name = posix.basename(new URL(rest.url).pathname) || 'index.html';
    return { ...rest, to: to.endsWith('/') ? `${to}${name}` : to };
  });
export type Download = z.output<typeof Download>;

const Project = z
  .string()
  .regex(/^[A-Za-z0-9_][\w.+@~-]*(?:\/[A-Za-z0-9_][\w.+@~-]*)*$/, 'expected the name of a project');

export const Prepare = z
  .strictObject({
    scripts: OneOrMore.default([]).describe('Scripts run as root on the machine, in this order, at the end.'),
    projects: z
      .union([z.literal('all'), z.array(Project)])
      .optional()
      .describe(
        'Repositories to lay in `/opt/git`: those of projects that have a job on this label when left out; `all` of the layout; or a list.',
      ),
    downloads: z.array(Download).default([]).describe('Files to download beforehand.'),
    keep: z.int().min(1).default(2).describe('Prepared images that stay; older ones are deleted.'),
    timeout: Duration.prefault('2h').describe('How long all this may take on one machine.'),
    'image-timeout': Duration.prefault('1h').describe('How long the provider may take to save the image.'),
  })
  .transform(({ 'image-timeout': imageTimeout, ...rest }) => ({ ...rest, imageTimeout }));
export type Prepare = z.output<typeof Prepare>;

/** Keys of `prepare:` and of its downloads, for "did you mean". */
export const prepareKeys = Object.keys(Prepare.in.shape);
export const downloadKeys = Object.keys(Download.in.shape);
