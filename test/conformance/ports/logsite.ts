import { expect, test } from 'vitest';
import type { CollectedFile, LogSite } from '../../../pipelines/ports.ts';
import type { Manifest } from '../../../workers/logs/site.ts';

/** What every `LogSite` must do. `site()` answers a new object on the same place each time, as after a restart. */
export interface LogSiteFixture {
  site(): LogSite;
  /** Content of a finished file by the name the build gave it, unpacked; undefined when it is not there. */
  read(logPath: string, path: string): Promise<string | undefined>;
  /** What people can read of the console now, running or finished. */
  console(logPath: string): Promise<string | undefined>;
  manifest(logPath: string): Promise<Manifest | undefined>;
}

let count = 0;

export function logPath(): string {
  count += 1;
  return `34/1234/5/check/a job/${`${count}`.padStart(7, '0')}`;
}

export function fileOf(path: string, content: string | Uint8Array): CollectedFile {
  const bytes = Buffer.from(content);
  async function* parts() {
    for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
  }
  return { path, size: bytes.length, content: parts() };
}

export function logSiteSuite(fixture: () => LogSiteFixture): void {
  test('a log path has an address', () => {
    const { site } = { site: fixture().site() };
    expect(site.url('34/1234/5/check/a job/0abc123')).toMatch(/\/34\/1234\/5\/check\/a%20job\/0abc123\/$/);
    expect(() => site.url('34/../x')).toThrow('log path');
  });

  test('a console grows, and is final after finish', async () => {
    const path = logPath();
    const folder = await fixture().site().open(path);
    const console = await folder.console(0);
    await console.write(Buffer.from('one\n'));
    expect(await fixture().console(path)).toBe('one\n');
    await console.write(Buffer.from('two\n'));
    await console.close();
    await folder.finish({ result: 'SUCCESS' });
    expect(await fixture().console(path)).toBe('one\ntwo\n');
    expect(await fixture().manifest(path)).toMatchObject({ result: 'SUCCESS' });
  });

  test('after a restart the console is written again and comes out once', async () => {
    const path = logPath();
    const first = await (await fixture().site().open(path)).console(0);
    await first.write(Buffer.from('one\ntwo\nthr'));
    await first.close();
    const folder = await fixture().site().open(path);
    const again = await folder.console(0);
    await again.write(Buffer.from('one\n'));
    expect(await fixture().console(path)).toBe('one\ntwo\nthr');
    await again.write(Buffer.from('two\nthree\n'));
    await again.close();
    await folder.finish({});
    expect(await fixture().console(path)).toBe('one\ntwo\nthree\n');
  });

  test('a console that came out shorter is as long as it was written last', async () => {
    const path = logPath();
    const first = await (await fixture().site().open(path)).console(0);
    await first.write(Buffer.from('output\nfooter of a life that was killed\n'));
    await first.close();
    const folder = await fixture().site().open(path);
    const again = await folder.console(0);
    await again.write(Buffer.from('output\nfooter\n'));
    await again.close();
    await folder.finish({});
    expect(await fixture().console(path)).toBe('output\nfooter\n');
  });

  test('what is final stays so, whatever is done again', async () => {
    const path = logPath();
    const folder = await fixture().site().open(path);
    const console = await folder.console(0);
    await console.write(Buffer.from('text'));
    await console.close();
    await folder.add(fileOf('a.log', 'a'));
    await folder.finish({ result: 'SUCCESS' });
    const again = await fixture().site().open(path);
    const late = await again.console(0);
    await late.write(Buffer.from('other text'));
    await late.close();
    await again.add(fileOf('a.log', 'b'));
    await again.finish({ result: 'FAILURE' });
    expect(await fixture().console(path)).toBe('text');
    expect(await fixture().read(path, 'a.log')).toBe('a');
    expect(await fixture().manifest(path)).toMatchObject({ result: 'SUCCESS' });
  });

  test('artifacts are kept under their names, text and bytes, and replace themselves', async () => {
    const path = logPath();
    const folder = await fixture().site().open(path);
    const binary = Buffer.from([0, 1, 2, 255]).toString('latin1');
    await folder.add(fileOf('logs/a.log', 'x'.repeat(5000)));
    await folder.add(fileOf('logs/a.log', 'y'.repeat(5000)));
    await folder.add(fileOf('image.bin', Buffer.from(binary, 'latin1')));
    await folder.add(fileOf('empty', ''));
    await folder.finish({});
    expect(await fixture().read(path, 'logs/a.log')).toBe('y'.repeat(5000));
    expect(await fixture().read(path, 'image.bin')).toBe(Buffer.from(binary, 'latin1').toString());
    expect(await fixture().read(path, 'empty')).toBe('');
    const { files } = (await fixture().manifest(path)) ?? { files: [] };
    expect(files.map((file) => [file.path, file.size])).toEqual(
      expect.arrayContaining([
        ['logs/a.log', 5000],
        ['image.bin', 4],
        ['empty', 0],
      ]),
    );
  });

  test('hostile names stay within the folder and apart', async () => {
    const path = logPath();
    const folder = await fixture().site().open(path);
    const names = [
      'a.log',
      'a.log.gz',
      'b.log',
      'b.log.gz/x',
      'console.txt',
      'manifest.json',
      'console.txt/x',
      'line\nbreak',
      'line\rbreak',
      '\u202etxt.exe',
      'l'.repeat(300),
      `${'l'.repeat(299)}m`,
      'ü'.repeat(150),
      ...(['-rf', '.hidden', "quo'te", '<b>', '%2e%2e', 'deep/'.repeat(60).concat('x')] as const),
    ];
    for (const name of names) await folder.add(fileOf(name, `content of ${name}`));
    for (const name of ['../out', '/etc/passwd', 'a//b', 'a/./b', 'a/..']) {
      await folder.add(fileOf(name, 'never'));
    }
    const console = await folder.console(0);
    await console.write(Buffer.from('ours'));
    await console.close();
    await folder.finish({ result: 'SUCCESS' });
    for (const name of names) expect(await fixture().read(path, name)).toBe(`content of ${name}`);
    expect(await fixture().console(path)).toBe('ours');
    const { files } = (await fixture().manifest(path)) ?? { files: [] };
    const stored = files.map((file) => file.stored);
    expect(new Set(stored).size).toBe(names.length + 1);
    expect(stored.every((name) => name.split('/').every((part) => Buffer.byteLength(part) <= 255))).toBe(
      true,
    );
  });
}
