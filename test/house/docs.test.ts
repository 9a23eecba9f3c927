import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { configurationReference } from '../../cli/reference.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

it('docs/faults.md explains every fault code, and no other', () => {
  const union = /export type FaultCode =([^;]*);/.exec(read('pipelines/fault.ts'))?.[1] ?? '';
  const codes = [...union.matchAll(/'([a-z-]+)'/g)].map((match) => match[1]);
  const explained = [...read('docs/faults.md').matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]);
  expect(explained).toEqual(codes);
});

it('docs/configuration.md is what the schema says (npm run docs)', () => {
  expect(read('docs/configuration.md')).toBe(configurationReference());
});

it('docs/cli.md explains every command with every option of its own', () => {
  const page = read('docs/cli.md');
  const sources = readdirSync(new URL('cli', root)).filter((name) => /^[a-z]+\.ts$/.test(name));
  const missing = sources.flatMap((file) =>
    read(`cli/${file}`)
      .split(/(?=\b\w+\s*\.command\()/)
      .slice(1)
      .flatMap((text) => {
        const [, parent = '', word = ''] = /^(\w+)\s*\.command\(\s*'([a-z-]+)'/.exec(text) ?? [];
        const name = parent === 'main' ? word : `${parent} ${word}`;
        const usage = new RegExp(`^.stackgate ${name}\\b`, 'm').exec(page);
        if (usage === null) return [name];
        const section = page.slice(usage.index).split('\n## ')[0] ?? '';
        const options = [...text.matchAll(/ption\(\s*'(?:-\w, )?(--[a-z-]+)/g)].map(
          (match) => match[1] ?? '',
        );
        return options.filter((option) => !section.includes(option)).map((option) => `${name} ${option}`);
      }),
  );
  expect(missing).toEqual([]);
});
