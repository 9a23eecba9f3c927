import { readFileSync } from 'node:fs';
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
