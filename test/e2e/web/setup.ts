import { findChromium } from './browser.ts';

/** Once before all stories: says in one line why they are skipped. */
export function setup(): void {
  if (findChromium() === undefined)
    console.log(
      'test:web is skipped: no Chromium (apt-get install chromium, or name one in $STACKGATE_CHROMIUM)',
    );
}
