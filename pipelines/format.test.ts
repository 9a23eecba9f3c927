import { describe, expect, test } from 'vitest';
import { pythonFormat } from './format.ts';

describe('pythonFormat', () => {
  const values = {
    change: { number: '1234', patchset: '5' },
    build: { number: 7, uuid: null, parameters: { LOG_PATH: '34/1234/5' } },
  };

  test.each([
    ['http://logs/{change.number}/{change.patchset}', 'http://logs/1234/5'],
    ['{build.parameters[LOG_PATH]}/{build.number}', '34/1234/5/7'],
    ['{build.uuid}', 'None'],
    ['{{literally}} {change.number}', '{literally} 1234'],
    ['no fields', 'no fields'],
  ])('%s', (text, expected) => {
    expect(pythonFormat(text, values)).toBe(expected);
  });

  test.each([
    '{change.missing}',
    '{nobody.number}',
    '{change}',
    '{',
    '}',
    '{change.number',
    '{change.number:>5}',
    '{}',
    '{0}',
    '{change.__proto__}',
    '{change.constructor}',
  ])('%s is of no use', (text) => {
    expect(pythonFormat(text, values)).toBeUndefined();
  });
});
