import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BuildPage, type BuildView, EventPage } from '../../../server/contract.ts';
import { findChromium, launchChromium, openPage, shotsFolder, violations, type Watched } from './browser.ts';
import { DRIVER, type Lab, PROJECT, startLab } from './lab.ts';

/** What people do with the pages, and what strangers try with them. */

const evil = `<img src=x onerror="document.title='pwned'"><script>alert(1)</script> \u202egnp.exe ${'long'.repeat(60)}`;
const DEADLINE = 60_000;

describe.skipIf(findChromium() === undefined)('the web application', () => {
  let lab: Lab;
  let browser: Browser;
  let shots: string;
  const watched: Watched[] = [];

  beforeAll(async () => {
    [lab, browser, shots] = await Promise.all([startLab(), launchChromium(), shotsFolder()]);
  });
  afterAll(async () => {
    await browser?.close();
    await lab?.[Symbol.asyncDispose]();
  });

  async function open(options: Parameters<typeof openPage>[2] = {}): Promise<Page> {
    const opened = await openPage(browser, lab.stackgate.url, options);
    watched.push(opened);
    return opened.page;
  }

  async function builds(query: string): Promise<readonly BuildView[]> {
    return BuildPage.parse(await (await lab.stackgate.get(`/api/v1/builds?limit=200&${query}`)).json())
      .builds;
  }

  async function until<T>(what: () => Promise<T | undefined | false>): Promise<T> {
    const end = Date.now() + DEADLINE;
    while (Date.now() < end) {
      const found = await what();
      if (found !== undefined && found !== false) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('it did not happen in time');
  }

  /** Everything that the page asked for is there. */
  const loaded = (page: Page) =>
    until(
      async () =>
        (await page.locator('main .empty[aria-busy]').count()) === 0 &&
        (await page.locator('main h1').count()) > 0,
    );

  const build = (change: number, job: string, state: BuildView['state']) =>
    until(async () => (await builds(`change=${change}&job=${job}`)).find((each) => each.state === state));

  it('shows a patch in check as it arrives, and its console as it runs', async () => {
    const page = await open();
    await page.goto('/');
    await page.getByText('idle').first().waitFor();
    const change = await lab.push('hold', { message: 'Watch me run' });
    await page.getByText('Watch me run').waitFor({ timeout: DEADLINE });
    await build(change, 'demo-unit', 'running');
    await page.locator('.jobs a[href$="/console"]', { hasText: 'demo-unit' }).click({ timeout: DEADLINE });
    await page.getByText('still here').first().waitFor({ timeout: DEADLINE });
    await page.locator('.console .state.live').waitFor({ timeout: DEADLINE });
    const lines = () => page.locator('.console .toolbar .num').first().innerText();
    const before = await lines();
    await until(async () => (await lines()) !== before);
    await page.screenshot({ path: join(shots, 'console-live.png') });
    await page.goto('/');
    await page.getByText('Watch me run').waitFor({ timeout: DEADLINE });
    await page.screenshot({ path: join(shots, 'status.png') });
  });

  it('asks for a token before it acts, says what became of it, and the ledger says who', async () => {
    const page = await open();
    await page.goto('/');
    await page.getByRole('button', { name: 'Dequeue' }).first().click();
    const token = page.getByLabel('Token', { exact: true });
    await token.fill('not-the-token');
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.getByText('this token is not known here').waitFor();
    await page.screenshot({ path: join(shots, 'token.png') });
    await token.fill(lab.stackgate.token);
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Dequeue' }).click();
    await page.getByRole('status').filter({ hasText: 'Dequeue' }).waitFor();
    await page.getByText('Watch me run').waitFor({ state: 'detached', timeout: DEADLINE });
    const { events } = EventPage.parse(
      await (await lab.stackgate.get('/api/v1/events?kind=DequeueRequested')).json(),
    );
    expect(events[0]).toMatchObject({ by: 'operator' });
    await page.goto('/ledger?kind=all');
    await page.getByRole('cell', { name: 'DequeueRequested' }).first().waitFor();
  });

  it('runs a job with parameters by hand', async () => {
    const page = await open();
    await page.goto('/run?job=demo-unit');
    await page.getByLabel('TEST_REGEX').fill('by-hand');
    await page.getByRole('button', { name: 'Run it' }).click();
    await page.getByLabel('Token', { exact: true }).fill(lab.stackgate.token);
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Run it' }).click();
    await page.getByText('It has ended.').waitFor({ timeout: DEADLINE });
    const [ran] = await builds('job=demo-unit&pipeline=run');
    const console = await lab.stackgate.get(`/api/v1/builds/${ran?.uuid}/console`);
    expect(await console.text()).toContain('TEST_REGEX=by-hand');
  });

  it('says on the page of a failed build which step failed, and leads to the line', async () => {
    const change = await lab.push('fail', { message: 'Break something' });
    const failed = await build(change, 'demo-unit', 'finished');
    expect(failed.result).toBe('FAILURE');
    const page = await open();
    await page.goto(`/change/${change},1`);
    await page.getByRole('table', { name: '' }).first().waitFor();
    await page.goto(`/build/${failed.uuid}`);
    await page.getByText('The change', { exact: true }).waitFor();
    await page.getByRole('heading', { name: /In step 2/ }).waitFor();
    await page.getByText('AssertionError: 200 != 503').last().waitFor();
    const telling = page.getByRole('region', { name: 'Lines that tell what went wrong' });
    await telling.getByText('not ok 41 - test_attach_volume').waitFor();
    await page.screenshot({ path: join(shots, 'build.png'), fullPage: true });
    await page.getByRole('link', { name: 'Console', exact: true }).click();
    await page.waitForURL(/console#L\d+$/);
    const line = Number(/#L(\d+)$/.exec(page.url())?.[1]);
    const named = page.locator('.line.named');
    await named.waitFor();
    expect(await named.locator('.gutter').innerText()).toBe(String(line));
    expect(await named.innerText()).toContain('exit 1');
    await page.getByRole('button', { name: 'Fold steps' }).click();
    await page.getByText('AssertionError').first().waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Unfold steps' }).click();
    await page.keyboard.press('/');
    await page.keyboard.type('attach_volume');
    await page.locator('mark').first().waitFor();
    await page.screenshot({ path: join(shots, 'console-search.png') });
  });

  it('shows what strangers wrote, and does none of it', async () => {
    const branch = 'x<img-src=x-onerror=alert(1)>';
    await lab.gerrit.createBranch(PROJECT, branch);
    const file = `results/<img src=x onerror=alert(2)>\u202e.log`;
    const console = `${evil}\n\u001b[31mred\u001b[0m \u001b]0;title\u0007 \u001b[2J<b>bold</b>\n${'w'.repeat(300_000)}\n`;
    const change = await lab.push('hostile', {
      message: `${evil}\n\n${evil}`,
      branch,
      files: { hostile: console, [file]: 'x' },
    });
    const held = await lab.push('hold', { message: evil, branch });
    const page = await open();
    const over = await build(change, 'demo-unit', 'finished');
    await build(held, 'demo-unit', 'running');
    for (const path of [
      '/',
      '/builds',
      `/change/${change},1`,
      `/build/${over.uuid}`,
      `/build/${over.uuid}/console`,
      '/ledger',
      '/jobs',
      `/builds?${new URLSearchParams({ project: evil, job: evil }).toString()}`,
      `/job/${encodeURIComponent(evil.slice(0, 90))}`,
    ]) {
      await page.goto(path);
      await loaded(page);
      expect([path, await page.locator('img, main script, iframe, b:text-is("bold")').count()]).toEqual([
        path,
        0,
      ]);
      expect(await page.title()).not.toBe('pwned');
      const wide = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect([path, wide]).toEqual([path, 0]);
      expect([path, await page.evaluate('document.body.innerText')]).not.toEqual([
        path,
        expect.stringContaining('\u202e'),
      ]);
    }
    await page.goto('/');
    await page.getByText('<img src=x onerror=').first().waitFor();
    await page.screenshot({ path: join(shots, 'hostile-status.png') });
    await page.goto(`/build/${over.uuid}/console`);
    await page.getByText('red', { exact: true }).waitFor();
    await page.screenshot({ path: join(shots, 'hostile-console.png') });
    await lab.gerrit.abandon(held, { user: 'ann' });
  });

  it('scrolls through a console of a million lines', async () => {
    const change = await lab.push('long', { message: 'Say a lot' });
    const { uuid } = await build(change, 'demo-unit', 'finished');
    const page = await open();
    await page.goto(`/build/${uuid}/console#L500000`);
    await page.locator('.console .state.ended').waitFor({ timeout: 120_000 });
    const named = page.locator('.line.named');
    await named.waitFor();
    expect(await named.locator('.gutter').innerText()).toBe('500000');
    expect(await page.locator('.line').count()).toBeLessThan(200);
    const gaps = await page.evaluate<number[]>(`(async () => {
      const box = document.querySelector('.lines');
      const gaps = [];
      let last = performance.now();
      for (let n = 0; n < 120; n++) {
        box.scrollTop += n % 10 === 9 ? 700000 : 300;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        gaps.push(now - last);
        last = now;
      }
      return gaps.sort((a, b) => a - b);
    })()`);
    const at = (part: number) => Math.round(gaps[Math.floor(part * 119)] ?? 0);
    process.stdout.write(
      `a million lines: frame p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${at(1)} ms\n`,
    );
    expect(at(0.5)).toBeLessThan(100);
    await page.keyboard.press('/');
    await page.keyboard.type('line 999999 of');
    await page.getByText('1 of 1').waitFor({ timeout: 120_000 });
    await page.locator('.line.hit').getByText('line 999999 of').waitFor();
    await page.screenshot({ path: join(shots, 'console-million.png') });
  });

  it('is fit for everybody, in both themes and on a narrow screen', async () => {
    const change = await lab.push('hold', { project: DRIVER, message: 'Look at every page' });
    const running = await build(change, 'demo-unit', 'running');
    const [failed] = await builds('result=FAILURE&job=demo-unit');
    const pages = {
      status: '/',
      builds: '/builds',
      build: `/build/${failed?.uuid}`,
      'build-running': `/build/${running.uuid}`,
      console: `/build/${failed?.uuid}/console#L5-9`,
      change: `/change/${failed?.change}`,
      nodes: '/nodes',
      ledger: '/ledger',
      jobs: '/jobs',
      job: '/job/demo-unit',
      config: '/config',
      run: '/run?job=demo-unit',
      nothing: '/job/none',
      lost: '/builds?job=none',
    };
    const found: unknown[] = [];
    for (const theme of ['light', 'dark'] as const) {
      const page = await open({ theme });
      for (const [name, path] of Object.entries(pages)) {
        await page.goto(path);
        await loaded(page);
        await page.locator('.linked.live').waitFor({ timeout: DEADLINE });
        for (const violation of await violations(page)) found.push({ theme, name, ...violation });
        await page.screenshot({ path: join(shots, `${name}-${theme}.png`) });
      }
    }
    expect(found).toEqual([]);
    const narrow = await open({ width: 360, height: 740 });
    for (const [name, path] of Object.entries(pages)) {
      await narrow.goto(path);
      await loaded(narrow);
      const wide = await narrow.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      await narrow.screenshot({ path: join(shots, `${name}-narrow.png`) });
      expect([name, wide]).toEqual([name, 0]);
    }
    await lab.letGo();
  });

  it('never threw, never asked another host, never tried what its policy forbids', () => {
    expect(watched.flatMap(({ complaints }) => complaints)).toEqual([]);
    expect(watched.length).toBeGreaterThan(0);
  });
});
