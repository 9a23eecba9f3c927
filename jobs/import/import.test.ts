import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readIni } from './ini.ts';
import { mapSettings } from './knobs.ts';
import { siteFileText } from './sitefile.ts';
import { readVars } from './vars.ts';

const vars = (text: string) => readVars({ name: 'vars.sh', text });

describe('vars.sh', () => {
  it('is read as the shell reads assignments, and no shell runs', () => {
    const { settings, rows } = vars(
      [
        'A=1',
        "export B='two words' # why",
        'C="x\\"y"z',
        'D=$(id)',
        'export E=1 F=2',
        'G="$A"',
        'if x; then',
        'export A',
      ].join('\n'),
    );
    expect(settings.map(({ name, value, at }) => [name, value, at.line])).toEqual([
      ['A', '1', 1],
      ['B', 'two words', 2],
      ['C', 'x"yz', 3],
      ['E', '1', 5],
      ['F', '2', 5],
    ]);
    expect(rows.map(({ outcome, what }) => [outcome, what])).toEqual([
      ['unsupported', 'D'],
      ['unsupported', 'G'],
      ['unsupported', 'if x; then'],
      ['ignored', 'export A'],
    ]);
  });

  it('has a row or a setting for every line that is no comment, whatever is in it', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[ -~]{0,40}$/), { maxLength: 8 }), (lines) => {
        const { settings, rows } = vars(lines.join('\n'));
        const told = new Set([...settings, ...rows].map(({ at }) => at?.line));
        lines.forEach((line, index) => {
          const silent = line.trim() === '' || line.trim().startsWith('#');
          expect(told.has(index + 1)).toBe(!silent);
        });
      }),
    );
  });
});

describe('the settings', () => {
  const ini = (text: string) => readIni({ name: 'zuul.conf', text });

  it('become connections; zuul.conf wins over vars.sh', () => {
    const given = [
      ...vars('UPSTREAM_GERRIT_USER=old\nUPSTREAM_GERRIT_SERVER=review.example.org').settings,
      ...ini('[connection gerrit]\nuser=new\nport = 29419\n[gearman]\nserver=127.0.0.1\n[zuul]\nfoo=bar')
        .settings,
    ];
    const { facts, rows } = mapSettings(given);
    expect([...facts].map(([path, { value }]) => [path, value])).toEqual([
      ['gerrit.user', 'new'],
      ['gerrit.host', 'review.example.org'],
      ['gerrit.port', '29419'],
    ]);
    expect(rows.map(({ outcome, what }) => `${outcome} ${what}`)).toEqual([
      'ignored UPSTREAM_GERRIT_USER',
      'mapped UPSTREAM_GERRIT_SERVER',
      'mapped connection gerrit.user',
      'mapped connection gerrit.port',
      'ignored gearman.server',
      'unsupported zuul.foo',
    ]);
  });

  it('that are missing are told, and marked in the site file', () => {
    const { text, rows } = siteFileText({
      facts: new Map(),
      jobs: ['jobs'],
      mail: false,
      functions: [],
      nodepool: false,
    });
    expect(rows.filter(({ outcome }) => outcome === 'missing')).toHaveLength(3);
    expect(text.match(/# FILL IN/g)).toHaveLength(3);
  });
});
