import { describe, expect, it } from 'vitest';
import { mapClones } from './clonemap.ts';

describe('the clone map', () => {
  it('puts a project where its rule says, and elsewhere under its own name', () => {
    const rules = [
      { name: 'plugins/(.*)', dest: 'project/plugins/\\1' },
      { name: 'project', dest: '.' },
    ];
    const map = mapClones(rules, ['plugins/one', 'project', 'other/two']);
    expect(map.kind === 'mapped' && [...map.destinations]).toEqual([
      ['plugins/one', 'project/plugins/one'],
      ['project', ''],
      ['other/two', 'other/two'],
    ]);
  });

  it('says everything that is wrong at once', () => {
    const rules = [
      { name: 'a/(.*)', dest: 'x' },
      { name: '.*/b', dest: '../up' },
      { name: '(', dest: 'y' },
    ];
    const map = mapClones(rules, ['a/b', 'a/c', 'c/b']);
    expect(map.kind === 'wrong' && map.problems).toEqual([
      expect.stringContaining('"(" is no regular expression'),
      'a/b is matched by "a/(.*)" and ".*/b"',
      'c/b would go to "../up", outside the workspace',
      'a/b and a/c would share x',
    ]);
  });

  it('matches whole names only, in linear time', () => {
    const map = mapClones([{ name: '(a+)+', dest: 'bar' }], [`${'a'.repeat(5_000)}!`, 'foobar']);
    expect(map.kind).toBe('mapped');
  });
});
