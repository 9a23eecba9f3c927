import { createHash, randomUUID } from 'node:crypto';
import { chmod, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { runJob } from '../../cli/commands/run.ts';
import { Accepted, BuildPage, EventPage, JobView } from '../../server/contract.ts';
import { openPglite } from '../../workers/store/pglite.ts';
import { DEADLINE, type JobStory, ranOf, startJobs, untilTrue } from '../harness/jobs.ts';

/** Password parameters: there for the build, nowhere else, and gone when it has ended. */

const jobs = String.raw`
- job:
    name: keeper
    parameters: [{password: {name: PW, default: vorgabe-geheim}}, {string: {name: GO, default: /dev/null}}]
    builders: [{shell: 'until [ -e "$GO" ]; do sleep 0.1; done; echo "pw $PW"; printf %s "$PW" | sha256sum'}]
    publishers: [{archive: {artifacts: '*.log', allow-empty: true}}]
- job:
    name: asker
    parameters: [{password: {name: PW, default: ''}}]
    builders:
      - trigger-builds:
          - {project: taker, predefined-parameters: "PIN=$PW\nURL=http://u:$PW@host/\nPLAIN=plain", current-parameters: true, block: true}
- job:
    name: taker
    parameters: [{password: {name: PIN, default: ''}}]
    builders:
      - shell: 'echo "pin $PIN url $URL plain $PLAIN"; test "$URL" = "http://u:$PIN@host/" && test "$PW" = "$PIN"; printf %s "$PIN" | sha256sum'
`;

const given = 'von-hand-geheim';
const handed = 'weiter-geheim';
const words = [given, handed, 'vorgabe-geheim', 'aus-der-datei-geheim'];
const sum = (text: string) => createHash('sha256').update(text).digest('hex');

let story: JobStory;
let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'stackgate-passwords-'));
  // Jobs run as somebody else, who looks for a file there.
  await chmod(home, 0o711);
  story = await startJobs(jobs);
}, DEADLINE);
afterAll(async () => {
  await story?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
}, DEADLINE);

describe('password parameters', { timeout: DEADLINE }, () => {
  it('reach the build, also across a restart, and no console shows them', async () => {
    const go = join(home, 'go');
    const params = { PW: given, GO: go };
    const { id } = await story.client.post(
      '/api/v1/run',
      { job: 'keeper', params },
      Accepted,
      `run-${randomUUID()}`,
    );
    await untilTrue(async () => {
      const { builds } = await story.client.get('/api/v1/builds?job=keeper', BuildPage);
      return builds.some(({ state }) => state === 'running');
    });
    await story.restart();
    await writeFile(go, '');
    const ran = await ranOf(story.client, id);
    expect(ran).toMatchObject({ result: 'SUCCESS' });
    expect(ran.console).toContain('pw ****');
    expect(ran.console).toContain('PW=****');
    expect(ran.console).toContain(sum(given));
    expect(await ran.manifest()).toMatchObject({ params: { PW: '****', GO: go } });
  });

  it('are the default when nobody gives one, which pages do not show', async () => {
    const ran = await story.run('keeper');
    expect(ran.console).toContain(sum('vorgabe-geheim'));
    const shown = await story.client.get('/api/v1/jobs/keeper', JobView);
    expect(shown.parameters).toEqual({ PW: '****', GO: '/dev/null' });
  });

  it('are handed on to triggered builds, whatever they are called there', async () => {
    const ran = await story.run('asker', { PW: handed });
    expect({ result: ran.result, console: ran.console }).toMatchObject({ result: 'SUCCESS' });
    const child = await untilTrue(async () => {
      const { builds } = await story.client.get('/api/v1/builds?job=taker', BuildPage);
      return builds.find(({ state }) => state === 'finished');
    });
    const console = await (await fetch(new URL('console.txt', child.url ?? ''))).text();
    expect(console).toContain('pin **** url **** plain plain');
    expect(console).toContain(sum(handed));
    for (const text of [ran.console, console]) expect(text).not.toContain('geheim');
  });

  it('come from a file where arguments would show them', async () => {
    const file = join(home, 'password');
    await writeFile(file, 'aus-der-datei-geheim\n', { mode: 0o600 });
    const options = { param: [], paramFile: [`PW=${file}`], vote: false, detach: true, json: true };
    expect(await runJob(story.client, 'keeper', options)).toBe(0);
    await untilTrue(async () => {
      const { builds } = await story.client.get('/api/v1/builds?job=keeper', BuildPage);
      return builds.length === 3 && builds.every(({ state }) => state === 'finished');
    });
    const wrong = runJob(story.client, 'keeper', { ...options, paramFile: [`PW=${join(home, 'gone')}`] });
    await expect(wrong).rejects.toThrow(/gone cannot be read/);
  });

  it('stand nowhere in ledger, database, logs and queues, and are gone after the build', async () => {
    const events = await story.client.get('/api/v1/events?kind=RunRequested', EventPage);
    expect(events.events.length).toBeGreaterThan(3);
    for (const path of ['events', 'builds', 'jobs', 'status'])
      expect(JSON.stringify(await story.client.get(`/api/v1/${path}`, z.unknown()))).not.toContain('geheim');
    expect(JSON.stringify(story.log())).not.toContain('geheim');
    const data = join(story.dir, 'data');
    await untilTrue(async () => (await sealedRows(join(data, 'database')).catch(() => 1)) === 0);
    // Also what was deleted or overwritten there: it was never plain.
    const files = await readdir(data, { recursive: true, withFileTypes: true });
    const plain: string[] = [];
    for (const file of files.filter((each) => each.isFile())) {
      const bytes = await readFile(join(file.parentPath, file.name));
      if (words.some((word) => bytes.includes(word))) plain.push(join(file.parentPath, file.name));
    }
    expect(plain).toEqual([]);
  });
});

/** How many requests still have something sealed, as a copy of the database tells it. */
async function sealedRows(database: string): Promise<number> {
  const directory = await mkdtemp(join(home, 'copy-'));
  await cp(database, directory, { recursive: true });
  await rm(join(directory, 'lock'), { recursive: true });
  const copy = await openPglite({ directory });
  try {
    return (await copy.query('SELECT 1 FROM stackgate.sealed')).length;
  } finally {
    await copy[Symbol.asyncDispose]();
  }
}
