import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressesOf, dependsOnIds, dependsOnLines } from './dependson.ts';

const id = `I${'a'.repeat(40)}`;
const hosts = ['review.example.org'];
const number = (text: string) => dependsOnLines(`x\n\nDepends-On: ${text}\n`, hosts);

describe('Depends-On', () => {
  it.each([
    'https://review.example.org/1234',
    'https://review.example.org/1234/',
    'https://review.example.org/1234/5',
    'http://REVIEW.example.org:8080/1234',
    'https://review.example.org/c/1234',
    'https://review.example.org/c/org/project/+/1234',
    'https://review.example.org/c/org/project/+/1234/5?tab=comments',
    'https://review.example.org/c/2024/1/+/1234',
    'https://review.example.org/#/c/1234/',
    'https://review.example.org/#/c/1234/5',
    'https://review.example.org/#/c/org/project/+/1234/',
    'https://review.example.org/gerrit/c/org/project/+/1234',
  ])('reads %s', (text) => {
    expect(number(text)).toEqual([{ kind: 'number', number: '1234' }]);
  });

  it.each([
    'https://review.example.com/1234',
    'https://review.example.org.evil.example/1234',
    'https://review.example.org@evil.example/1234',
    'https://review.example.org/q/topic:1234',
    'https://review.example.org/c/org/project/+/abc',
    'https://review.example.org/',
    'ssh://review.example.org/1234',
    'review.example.org/1234',
    '1234',
    '../1234',
  ])('takes no notice of %s', (text) => {
    expect(number(text)).toEqual([]);
  });

  it('keeps the order of the text, each once, and knows only Change-Ids without a host', () => {
    const message = `Depends-On: https://review.example.org/7\ndepends-on: ${id}\nDepends-On: https://review.example.org/c/a/+/7\n`;
    expect(dependsOnLines(message, hosts)).toEqual([
      { kind: 'number', number: '7' },
      { kind: 'id', id },
    ]);
    expect(dependsOnLines(message, [])).toEqual([{ kind: 'id', id }]);
    expect(dependsOnIds(message)).toEqual([id]);
  });

  it('is fast and silent whatever a stranger writes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const depends of dependsOnLines(`Depends-On: https://review.example.org/${text}`, hosts))
          expect(depends).toMatchObject({ number: expect.stringMatching(/^[1-9]\d{0,14}$/) as unknown });
      }),
    );
    const start = performance.now();
    for (const part of ['a/', 'c/', '#/', '+/', '1/', 'c/a/+/', 'a', '1'])
      expect(number(`https://review.example.org/${part.repeat(30_000)}x`)).toEqual([]);
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it('says what to look for in the messages of others', () => {
    const change = { url: 'https://Review.example.org/c/org/a/+/12', project: 'org/a', number: '12' };
    for (const text of addressesOf(change))
      expect(dependsOnLines(`Depends-On: https://${text}`, hosts)).toEqual([
        { kind: 'number', number: '12' },
      ]);
    expect(addressesOf({ ...change, url: '' })).toEqual([]);
  });
});
