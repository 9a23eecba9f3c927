import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JobDefinition } from '../../../jobs/definition.ts';
import type { SshShellOptions } from '../../../nodepool/ssh/shell.ts';
import type { BuildAction } from '../../../pipelines/action.ts';
import { asFault } from '../../../pipelines/fault.ts';
import { executor } from '../../../workers/executor.ts';
import { directorySite, readManifest } from '../../../workers/logs/site.ts';
import { buildOf, followBuild, until } from '../../conformance/ports/shell.ts';
import { openNode, soon, type TestNode } from './node.ts';
import { missing } from './sshd.ts';

/** A node that goes away while the logs of a build are copied from it. */

const why = missing();
const MEGABYTES = 300;
const first = createHash('sha256').update('first\n').digest('hex');
const zeros = createHash('sha256')
  .update(Buffer.alloc(MEGABYTES * 1024 ** 2))
  .digest('hex');

const job: JobDefinition = {
  name: 'job',
  node: '',
  builders: [
    {
      kind: 'shell',
      script: `#!/bin/bash\necho first >a.log; head -c ${MEGABYTES}M /dev/zero >b.log; echo last >c.log`,
    },
  ],
  timestamps: false,
  publishers: [{ kind: 'archive', include: ['*.log'], exclude: [], allowEmpty: false, onlyIfSuccess: false }],
  parameters: {},
};

describe.skipIf(why !== undefined)(`a copy that is cut${why === undefined ? '' : ` (${why})`}`, () => {
  let node: TestNode;
  let turn = 0;
  beforeAll(async () => {
    node = await openNode();
  });
  afterAll(() => node?.[Symbol.asyncDispose]());

  /** A build with much to copy, and a life of the hand that builds it. */
  function story(options: Partial<SshShellOptions>) {
    turn += 1;
    const uuid = `${turn}`.padStart(32, '0');
    const logPath = `34/1234/5/check/job/${uuid.slice(-7)}`;
    const logs = join(node.root, '..', 'logs');
    const effects = new Map<string, unknown>();
    const action: BuildAction = {
      kind: 'build',
      id: `build-${uuid}`,
      uuid,
      number: 1,
      job: 'job',
      pipeline: 'check',
      project: 'org/demo',
      config: 'digest',
      lease: 'lease-1',
      params: {},
      logPath,
    };
    const leased = {
      id: 'n',
      name: 'n',
      label: 'n',
      labels: ['n'],
      slot: 0,
      role: 'primary',
      provider: 'rack',
    };
    const hand = executor({
      store: {
        file: async () => 1,
        effect: async (id) => effects.get(id),
        saveEffect: async (id, value) => void effects.set(id, structuredClone(value)),
      },
      definition: async () => job,
      shellOf: async () => ({ shell: node.shell(options), node: { ...leased, root: node.root } }),
      site: directorySite({ directory: logs, url: 'https://ci.example.org/' }),
      clock: { now: () => Date.now() },
    });
    const folder = join(logs, logPath);
    const files = () => readdir(folder, { recursive: true });
    return {
      folder,
      files,
      copying: () =>
        until(async () => (await files().catch(() => [])).some((name) => name.endsWith('.part'))),
      /** As the queue calls it: again and again, until it has an answer. */
      outcome: async () => {
        for (;;) {
          try {
            return await hand(action, soon());
          } catch (caught) {
            const fault = asFault(caught);
            if (!fault.retry) throw fault;
          }
        }
      },
    };
  }

  test('a connection that comes back: the files are copied again, each as a whole', async () => {
    const { folder, copying, outcome } = story({});
    const ended = outcome();
    await copying();
    expect(await node.sshd.cutConnections()).toBeGreaterThan(0);
    expect(await ended).toMatchObject({ kind: 'finished', result: 'SUCCESS' });
    const kept = (await readManifest(folder))?.files.map(
      ({ path, sha256 }) => `${path} ${sha256.slice(0, 8)}`,
    );
    expect(kept).toContain(`a.log ${first.slice(0, 8)}`);
    expect(kept).toContain(`b.log ${zeros.slice(0, 8)}`);
    expect(kept).toHaveLength(4);
  }, 120_000);

  test('a node that stays away is lost: no verdict on the job, and nothing half is published', async () => {
    const { folder, files, copying, outcome } = story({ lostAfter: 1_500 });
    const ended = outcome();
    await copying();
    await node.sshd.stop();
    try {
      expect(await ended).toMatchObject({ kind: 'lost' });
    } finally {
      await node.sshd.start();
    }
    expect(await readManifest(folder)).toMatchObject({ result: 'LOST', files: [{ path: 'console.txt' }] });
    expect((await files()).filter((name) => name.endsWith('.part') || name.startsWith('b.log'))).toEqual([]);
  }, 120_000);

  test('a machine that comes back without its workspaces is lost, and no build without logs', async () => {
    const shell = node.shell();
    const build = buildOf(['#!/bin/sh\necho x > x.log']);
    await shell.start(build, soon());
    await followBuild(shell, build.build);
    await rm(join(node.root, build.build), { recursive: true });
    const copy = async () => {
      for await (const _ of shell.collect(build.build, ['*.log'], [], soon()));
    };
    await expect(copy()).rejects.toMatchObject({ code: 'node-lost' });
  });
});
