import { spawnSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { embedded, updating } from '../../test/harness/embedded.ts';
import { scripts } from './scripts.ts';

const folder = new URL('scripts/', import.meta.url);

async function sources(): Promise<[name: string, text: string][]> {
  const names = (await readdir(folder)).sort();
  return await Promise.all(
    names.map(async (name) => [name.replace(/\.sh$/, ''), await readFile(new URL(name, folder), 'utf8')]),
  );
}

test('scripts.ts holds scripts/*.sh', async () => {
  const all = await sources();
  if (!updating()) return expect(scripts).toEqual(Object.fromEntries(all));
  const head =
    '/** Made from scripts/*.sh: edit those and run the test beside this file with STACKGATE_UPDATE=1. */';
  const entries = all.map(([name, text]) => `  ${name}: [\n${embedded(text, '    ')}  ].join('\\n'),\n`);
  const module = `${head}\nexport const scripts = {\n${entries.join('')}};\n`;
  await writeFile(new URL('scripts.ts', import.meta.url), module);
});

test('bash can read each of them', async () => {
  for (const [name, text] of await sources()) {
    const { stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
    expect({ name, stderr }).toEqual({ name, stderr: '' });
  }
});
