import { basename } from 'node:path';
import { Fault } from '../../pipelines/fault.ts';
import type { Secret, SecretAsker, Secrets } from '../../pipelines/ports.ts';
import { readGuarded, unreadable } from './guarded.ts';
import type { SecretRule, SecretSettings } from './settings.ts';
import { readStore } from './store.ts';

/**
 * The secrets of a site. Everything is read when a build asks, never kept: a secret that was changed counts from the next
 * build on, and a dump of our memory holds those of running builds only.
 */
export function siteSecrets(settings: SecretSettings): Secrets {
  return {
    async reveal(name, asker, signal) {
      signal.throwIfAborted();
      const rule = Object.hasOwn(settings.rules, name) ? settings.rules[name] : undefined;
      if (rule === undefined || !isBound(rule, asker)) return undefined;
      const content = await contentOf(name, rule, settings);
      signal.throwIfAborted();
      return secretOf(name, rule, content);
    },
  };
}

/** Both must be named: the job, and the pipeline it runs in. */
export function isBound(
  rule: Pick<SecretRule, 'jobs' | 'pipelines'>,
  { job, pipeline }: SecretAsker,
): boolean {
  return rule.jobs.includes(job) && rule.pipelines.includes(pipeline);
}

/** Throws Fault `secret-unreadable`. */
export async function contentOf(name: string, rule: SecretRule, settings: SecretSettings): Promise<Buffer> {
  if (rule.file !== undefined) return readGuarded(rule.file);
  if (rule.env !== undefined) {
    const value = settings.env[rule.env];
    if (value !== undefined && value !== '') return Buffer.from(value, 'utf8');
    throw unreadable(
      `$${rule.env}`,
      'is not set',
      `set it where Stackgate is started: secret ${name} lies there`,
    );
  }
  const stored = (await readStore(settings.store)).get(name);
  if (stored !== undefined) return stored.content;
  throw unreadable(settings.store.file, `holds no secret ${name}`, `stackgate secret set ${name}`);
}

function secretOf(name: string, rule: SecretRule, content: Buffer): Secret {
  if (rule.as === 'file')
    return { kind: 'file', name: basename(rule.file ?? name), content: new Uint8Array(content) };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    return { kind: 'text', text: withoutLineEnd(text) };
  } catch (caught) {
    throw new Fault('secret-unreadable', `secret ${name} is no text`, {
      hint: 'say `as: file` in its rule',
      cause: caught,
    });
  }
}

/** Editors and `echo` end a password with a line end that is not part of it; a key of several lines needs its own. */
function withoutLineEnd(text: string): string {
  const line = text.replace(/\r?\n$/, '');
  return line.includes('\n') ? text : line;
}
