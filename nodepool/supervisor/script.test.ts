import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { embedded, updating } from '../../test/harness/embedded.ts';
import { supervisorScript } from './script.ts';

test('script.ts holds supervisor.sh', async () => {
  const source = await readFile(new URL('supervisor.sh', import.meta.url), 'utf8');
  if (!updating()) return expect(supervisorScript).toBe(source);
  const head = '/** Made from supervisor.sh: edit that and run its test with STACKGATE_UPDATE=1. */';
  const module = `${head}\nexport const supervisorScript = [\n${embedded(source, '  ')}].join('\\n');\n`;
  await writeFile(new URL('script.ts', import.meta.url), module);
});
