import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isError, renderProblems } from '../../jobs/problem.ts';
import { asFault } from '../../pipelines/fault.ts';
import { contentOf } from '../../workers/secrets/secrets.ts';
import type { SecretRule, SecretSettings } from '../../workers/secrets/settings.ts';
import { dropFromStore, readStore, writeStore } from '../../workers/secrets/store.ts';
import { CommandError } from '../client.ts';
import { readEverything } from '../config.ts';
import { secretSettings } from '../secrets.ts';
import { readSite, siteFile } from '../site.ts';
import { type Site } from '../sitekeys.ts';
import { printable } from '../text.ts';

/** `stackgate secret set|remove|list|check`: the secrets of a site, never their values. */

export interface SecretOptions {
  readonly config?: string;
}

export async function setSecret(
  name: string,
  options: SecretOptions & { readonly file?: string },
): Promise<number> {
  const { site, settings } = siteOf(options);
  const content = options.file === undefined ? await typed(name) : await given(options.file);
  if (content.length === 0) throw new CommandError('the secret is empty: nothing was changed', 2);
  const { store } = settings;
  await faults(async () => {
    await mkdir(dirname(store.file), { recursive: true, mode: 0o711 });
    const { madeKey } = await writeStore(store, name, content, Date.now());
    say(`secret ${name} is set: ${content.length} bytes in ${store.file}`);
    if (madeKey)
      say(`  its key was made: ${store.key}. Keep a copy elsewhere: without it the file cannot be opened.`);
  });
  const rule = Object.hasOwn(site.secrets, name) ? site.secrets[name] : undefined;
  if (rule?.store !== true) {
    say(`  no job gets it yet. Bind it in stackgate.yaml:`);
    say(`    secrets:\n      ${name}: {store: true, jobs: [NAME], pipelines: [NAME]}`);
  }
  return 0;
}

export async function removeSecret(name: string, options: SecretOptions): Promise<number> {
  const { settings } = siteOf(options);
  if (!(await faults(() => dropFromStore(settings.store, name))))
    throw new CommandError(`${settings.store.file} holds no secret ${name}`, 3);
  say(`secret ${name} is gone from ${settings.store.file}`);
  return 0;
}

export async function listSecrets(options: SecretOptions & { readonly json: boolean }): Promise<number> {
  const { settings } = siteOf(options);
  const stored = await faults(() => readStore(settings.store));
  const rows = [
    ...Object.entries(settings.rules).map(([name, rule]) => ({
      name,
      where: whereOf(rule, settings),
      as: rule.as,
      jobs: rule.jobs,
      pipelines: rule.pipelines,
      changedAt: (rule.store === true ? stored.get(name)?.changedAt : undefined) ?? null,
    })),
    ...[...stored]
      .filter(([name]) => settings.rules[name]?.store !== true)
      .map(([name, { changedAt }]) => ({
        name,
        where: settings.store.file,
        as: null,
        jobs: [],
        pipelines: [],
        changedAt,
      })),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
  if (options.json) process.stdout.write(`${JSON.stringify({ secrets: rows })}\n`);
  else if (rows.length === 0) say('the site has no secrets');
  else
    for (const { name, where, jobs, pipelines } of rows) {
      const bound =
        jobs.length === 0 ? 'bound to nothing' : `for ${jobs.join(', ')} in ${pipelines.join(', ')}`;
      process.stdout.write(`${printable(`${name}  ${where}  ${bound}`)}\n`);
    }
  return 0;
}

/** Every secret is read once, and every binding looked at. */
export async function checkSecrets(options: SecretOptions): Promise<number> {
  const { settings } = siteOf(options);
  const { problems, sources } = readEverything(siteFile(options.config));
  const wrong = problems.filter(({ code }) => code.startsWith('secret-'));
  if (wrong.length > 0) process.stdout.write(`${renderProblems(wrong, sources)}\n`);
  let failed = wrong.filter(isError).length;
  for (const [name, rule] of Object.entries(settings.rules)) {
    try {
      const { length } = await contentOf(name, rule, settings);
      process.stdout.write(
        `ok       ${printable(name)}: ${length} bytes from ${printable(whereOf(rule, settings))}\n`,
      );
    } catch (caught) {
      failed++;
      const fault = asFault(caught);
      const hint = fault.hint === undefined ? '' : `\n         ${printable(fault.hint)}`;
      process.stdout.write(`missing  ${printable(name)}: ${printable(fault.message)}${hint}\n`);
    }
  }
  return failed === 0 ? 0 : 1;
}

function siteOf(options: SecretOptions): { site: Site; settings: SecretSettings } {
  const { site, base, problems, sources } = readSite(siteFile(options.config));
  if (problems.length > 0) process.stderr.write(`${renderProblems(problems, sources)}\n`);
  if (site === undefined) throw new CommandError('the site file has errors', 1);
  return { site, settings: secretSettings(site, base) };
}

function whereOf(rule: SecretRule, { store }: SecretSettings): string {
  return rule.file ?? (rule.env === undefined ? store.file : `$${rule.env}`);
}

async function given(file: string): Promise<Buffer> {
  return readFile(file).catch((caught: unknown) => {
    throw new CommandError(`cannot read ${file}: ${caught instanceof Error ? caught.message : ''}`, 3);
  });
}

const [CTRL_C, CTRL_D] = [3, 4];

/** From standard input; a person at a terminal types it unseen. */
async function typed(name: string): Promise<Buffer> {
  const { stdin } = process;
  if (stdin.isTTY) process.stderr.write(`secret ${name} (not shown, Enter ends it): `);
  if (stdin.isTTY) stdin.setRawMode(true);
  try {
    const bytes: number[] = [];
    for await (const chunk of stdin) {
      for (const byte of Buffer.from(chunk)) {
        if (!stdin.isTTY) {
          bytes.push(byte);
          continue;
        }
        if (byte === CTRL_C) throw new CommandError('interrupted: nothing was changed', 130);
        if (byte === CTRL_D || byte === 10 || byte === 13) return Buffer.from(bytes);
        if (byte === 8 || byte === 127) bytes.pop();
        else bytes.push(byte);
      }
    }
    return Buffer.from(bytes);
  } finally {
    if (stdin.isTTY) {
      stdin.setRawMode(false);
      process.stderr.write('\n');
    }
  }
}

/** What is broken ends the command with one sentence, not with a stack. */
async function faults<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (caught) {
    const fault = asFault(caught);
    throw fault.code === 'bug' ? caught : new CommandError(fault.message, 1, fault.hint);
  }
}

function say(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}
