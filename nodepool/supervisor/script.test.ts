import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { supervisorScript } from './script.ts';

/** The compiler copies no shell scripts, so the text travels in a module. STACKGATE_UPDATE=1 writes it anew. */
test('script.ts holds supervisor.sh', async () => {
  const source = await readFile(new URL('supervisor.sh', import.meta.url), 'utf8');
  if (process.env['STACKGATE_UPDATE'] === '1') {
    const lines = source.split('\n').map((line) => `  ${quoted(line)},`);
    const head = '/** Made from supervisor.sh: edit that and run its test with STACKGATE_UPDATE=1. */';
    await writeFile(
      new URL('script.ts', import.meta.url),
      `${head}\nexport const supervisorScript = [\n${lines.join('\n')}\n].join('\\n');\n`,
    );
    return;
  }
  expect(supervisorScript).toBe(source);
});

/** As biome would quote it. */
function quoted(line: string): string {
  const json = JSON.stringify(line);
  if (line.includes("'"))
    return line.includes('"') ? `'${json.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'` : json;
  return `'${json.slice(1, -1).replaceAll('\\"', '"')}'`;
}
