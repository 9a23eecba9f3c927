import { styleText } from 'node:util';

/** What the demo prints. */

const began = Date.now();

export function say(text: string): void {
  const seconds = ((Date.now() - began) / 1000).toFixed(1).padStart(5);
  console.log(`${styleText('dim', `${seconds} s`)}  ${text}`);
}

export function heading(text: string): void {
  console.log(`\n${styleText('bold', text)}`);
}

/** A text of its own, indented. */
export function quote(text: string): void {
  console.log(`\n${text.trimEnd().replace(/^/gm, '           ')}\n`);
}

export const good = (text: string): string => styleText('green', text);
export const bad = (text: string): string => styleText('red', text);
