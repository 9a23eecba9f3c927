import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readYaml } from '../../jobs/yaml.ts';
import { LayoutFile } from '../schema/layout.ts';
import { schemaOf } from './schema.ts';

const Shape = z.looseObject({ title: z.string(), properties: z.record(z.string(), z.unknown()) });

describe('the schemas for editors', () => {
  it.each([
    ['site', ['connections', 'layout', 'jobs', 'secrets', 'repository']],
    ['layout', ['pipelines', 'projects', 'jobs']],
    ['jobs', ['jobs']],
  ])('%s names its keys', (name, keys) => {
    const { properties } = Shape.parse(schemaOf(name));
    expect(Object.keys(properties)).toEqual(expect.arrayContaining(keys));
  });

  it('asks for one that exists', () => {
    expect(() => schemaOf('sites')).toThrow('there is no schema sites');
  });

  const folder = new URL('../../../shared/conformance/zuul-v2/openstack', import.meta.url).pathname;
  const real = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.yaml')) : [];
  it.skipIf(real.length === 0)('take every real layout', () => {
    for (const name of real) {
      const { value } = readYaml({ name, text: readFileSync(join(folder, name), 'utf8') });
      const { success, error } = LayoutFile.safeParse(value);
      expect([name, success, error?.issues.slice(0, 3)]).toEqual([name, true, undefined]);
    }
  });
});
