import { accessSync, constants } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

/** The system's Chromium; nothing is ever downloaded. */
export function findChromium(): string | undefined {
  const named = process.env['STACKGATE_CHROMIUM'];
  const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  return (named === undefined ? places : [named]).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('there is no Chromium');
  // Its sandbox does not start as root; the pages are our own.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** What a page must never do: throw, try what its policy forbids, ask another host, open a dialog. */
export interface Watched {
  readonly page: Page;
  readonly complaints: string[];
}

export async function openPage(
  browser: Browser,
  base: string,
  options: { theme?: 'light' | 'dark'; width?: number; height?: number } = {},
): Promise<Watched> {
  const { theme = 'light', width = 1280, height = 800 } = options;
  const page = await browser.newPage({ baseURL: base, viewport: { width, height }, colorScheme: theme });
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`threw ${error.message}`));
  page.on('console', (message) => {
    // Answers such as 404 are told there, too: those are part of the stories.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(`said ${message.text()}`);
  });
  page.on('dialog', (dialog) => {
    complaints.push(`opened a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(base).origin) complaints.push(`asked ${request.url()}`);
  });
  return { page, complaints };
}

const axe = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface Violation {
  readonly id: string;
  readonly nodes: readonly string[];
}

/** What axe finds on the page as it is. */
export async function violations(page: Page): Promise<Violation[]> {
  await page.evaluate(await axe);
  return page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
    violations.map(({ id, nodes }) => ({ id, nodes: nodes.slice(0, 5).map((node) => node.html.slice(0, 200) + ' ' + (node.any[0]?.message ?? '')) })))`);
}

/** Where screenshots go: `$STACKGATE_SHOTS`, or a new folder whose name is printed. */
export async function shotsFolder(): Promise<string> {
  const named = process.env['STACKGATE_SHOTS'];
  if (named !== undefined) return named;
  const folder = await mkdtemp(join(tmpdir(), 'stackgate-shots-'));
  console.log(`screenshots are in ${folder}`);
  return folder;
}
