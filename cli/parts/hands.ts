import { need, type PartOf } from '../house.ts';

/** Last of the hands, so first to stop: nobody takes an action any more before what does it goes away. */
export const hands: PartOf = (house) => ({
  name: 'hands',
  async start() {
    const { queue } = need(house, 'core');
    return {
      async close() {
        await queue[Symbol.asyncDispose]();
      },
    };
  },
});
