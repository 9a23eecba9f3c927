import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Refusal } from '../site.ts';
import { parsePushOptions } from './push-options.ts';

describe('parsePushOptions', () => {
  it('reads what a push asks for', () => {
    expect(
      parsePushOptions(
        'topic=a=b wip private r=ann r=bob@example.org t=x hashtag=y notify=NONE l=Verified+1 l=Code-Review-2 l=Workflow m=Fix_it%2C_now'.split(
          ' ',
        ),
      ),
    ).toEqual({
      topic: 'a=b',
      wip: true,
      private: true,
      reviewers: ['ann', 'bob@example.org'],
      hashtags: ['x', 'y'],
      labels: { Verified: 1, 'Code-Review': -2, Workflow: 1 },
      message: 'Fix it, now',
    });
    expect(parsePushOptions(['ready', 'remove-private'])).toMatchObject({ wip: false, private: false });
  });

  it('refuses the rest, whatever it is', () => {
    expect(() => parsePushOptions(['nope'])).toThrow('"--nope" is not a valid option');
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string(),
            fc.string().map((s) => `m=${s}`),
            fc.string().map((s) => `l=${s}`),
          ),
        ),
        (options) => {
          try {
            expect(parsePushOptions(options)).toHaveProperty('labels');
          } catch (error) {
            expect(error).toBeInstanceOf(Refusal);
          }
        },
      ),
    );
  });
});
