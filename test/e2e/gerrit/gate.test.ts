import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventPage } from '../../../server/contract.ts';
import { type Stackgate, startStackgate } from '../../harness/inprocess.ts';
import { CI_USER } from '../../harness/site.ts';
import { changeId, type Desk, deskAt } from './desk.ts';
import { findGerrit } from './distribution.ts';
import { detail, until, vote } from './look.ts';
import { restOf } from './rest.ts';
import { type RealGerrit, startRealGerrit } from './site.ts';

/** The stories of a gate on a real Gerrit, asked and answered over REST. */

const layout = `pipelines:
  - name: gate
    manager: DependentPipelineManager
    trigger:
      gerrit:
        - {event: comment-added, comment: '(?i)^\\s*(approved|reverify)'}
    require: {approval: [{Code-Review: 2}]}
    success: {gerrit: {Verified: 1, submit: true}}
    failure: {gerrit: {Verified: -1}}
projects:
  - {name: org/gated, gate: [verdicts]}
`;

/** Every file below \`verdicts\` of the tested state has a say: wait for a signal of its name, then pass or fail. */
const jobs = (signals: string) => `- job:
    name: verdicts
    node: local
    builders:
      - shell: |
          git init -q . && git fetch -q "$ZUUL_URL/$ZUUL_PROJECT" "$ZUUL_REF" && git checkout -q FETCH_HEAD
          echo "tested $ZUUL_CHANGES"
          for file in verdicts/*; do
            set +x
            name=$(basename "$file") end=pass
            read -r verdict < "$file"
            case $verdict in
              wait-*) until [ -e ${signals}/$name ]; do sleep 0.1; done; read -r end < ${signals}/$name || true ;;
              *) end=$verdict ;;
            esac
            echo "$name says $end"
            [ "$end" = pass ] || exit 1
          done
`;

const distribution = await findGerrit();

describe.skipIf(distribution.kind === 'missing')('the gate of a real Gerrit', () => {
  let dir: string;
  let gerrit: RealGerrit;
  let stackgate: Stackgate;
  let desk: Desk;

  beforeAll(async () => {
    if (distribution.kind === 'missing') return;
    dir = await mkdtemp(join(tmpdir(), 'stackgate-gate-'));
    await chmod(dir, 0o711);
    const password = join(dir, 'password');
    await writeFile(password, `${CI_USER}\n`, { mode: 0o600 });
    gerrit = await startRealGerrit(distribution, join(dir, 'gerrit'));
    stackgate = await startStackgate({
      dir,
      gerrit,
      layout,
      jobs: jobs(dir),
      connection: { api: 'rest', password, 'read-back': '2s' },
    });
    desk = deskAt(gerrit, stackgate);
  });

  afterAll(async () => {
    await stackgate?.[Symbol.asyncDispose]();
    await gerrit?.[Symbol.asyncDispose]();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  });

  /** A change with a say of its own name in every state that holds it. */
  const push = (name: string, verdict: string, more: object = {}) =>
    gerrit.push('org/gated', { files: { [`verdicts/${name}`]: `${verdict}\n` }, ...more });
  const signal = (name: string, end: string) => writeFile(join(dir, name), `${end}\n`);
  const approve = (number: number) =>
    desk.review(number, { labels: { 'Code-Review': 2 }, message: 'approved' }, gerrit.admin);
  /** What it said last; Gerrit's own word about a merge is in its name, too. */
  const last = async (number: number) => {
    const all = await desk.reported(number);
    return all.findLast(({ message }) => message.includes('Build '))?.message ?? '';
  };
  /** As somebody does who goes past the gate. */
  const mergeByHand = async (number: number) => {
    await desk.review(number, { labels: { 'Code-Review': 2 } }, gerrit.admin);
    await desk.review(number, { labels: { Verified: 1 } }, restOf(gerrit.webUrl, [CI_USER, CI_USER]));
    await gerrit.admin.call('POST', `changes/${number}/submit`, {});
    await desk.inStatus(number, 'MERGED');
  };

  it('tests two together; the head fails, the second is tested again without it and merges', async () => {
    const first = await push('head', 'wait-for-it');
    const second = await push('follower', 'pass');
    await approve(first);
    await desk.running(first);
    await approve(second);
    await desk.running(second);
    await signal('head', 'fail');
    await desk.inStatus(second, 'MERGED');
    expect(await vote(gerrit, first)).toBe(-1);
    expect((await detail(gerrit, first)).status).toBe('NEW');
    const [again, before] = await desk.builds(second);
    expect(before?.state).not.toBe('running');
    expect(again?.result).toBe('SUCCESS');
    const console = await desk.consoleOf(await last(second));
    expect(console).toMatch(new RegExp(`tested org/gated:master:refs/changes/\\d\\d/${second}/1\\s`));
  });

  it('tries again on reverify', async () => {
    const number = await push('retried', 'wait-for-it');
    await signal('retried', 'fail');
    await approve(number);
    await desk.reported(number);
    expect((await detail(gerrit, number)).status).toBe('NEW');
    await signal('retried', 'pass');
    await desk.review(number, { message: 'reverify' });
    await desk.inStatus(number, 'MERGED');
  });

  it('lets a change wait for the one that it sits on, and merges both in order', async () => {
    const id = changeId();
    const parent = await push('parent', 'pass', { changeId: id });
    const ref = `refs/changes/${String(parent).slice(-2).padStart(2, '0')}/${parent}/1`;
    const child = await push('child', 'pass', { base: ref });
    await approve(child);
    // Its approval has been heard when the ledger shows it; nothing was launched.
    await until('the approval is in the ledger', async () =>
      (await desk.events(child)).some(({ type, note }) => type === 'comment-added' && note !== null),
    );
    expect(await desk.builds(child)).toEqual([]);
    await approve(parent);
    await desk.inStatus(child, 'MERGED');
    expect((await detail(gerrit, parent)).status).toBe('MERGED');
    expect(await desk.consoleOf(await last(child))).toContain(`/${parent}/1^org/gated:master:`);
  });

  it('tests again what somebody merged under it by hand', async () => {
    const ours = await push('ours', 'wait-for-it');
    await approve(ours);
    await desk.running(ours);
    const theirs = await push('theirs', 'pass');
    await mergeByHand(theirs);
    await signal('ours', 'pass');
    await desk.inStatus(ours, 'MERGED');
    const console = await desk.consoleOf(await last(ours));
    expect(console).toContain('theirs says pass');
    expect(await desk.builds(ours)).toHaveLength(2);
    const said = (await desk.reported(ours)).filter(({ message }) => message.includes('Build '));
    expect(said).toHaveLength(1);
  });

  it('says why Gerrit did not merge it', async () => {
    const number = await push('vetoed', 'wait-for-it');
    await approve(number);
    await desk.running(number);
    await desk.review(number, { labels: { 'Code-Review': -2 } }, gerrit.admin);
    await signal('vetoed', 'pass');
    await desk.reported(number);
    const note = await until('the answer is in the ledger', async () => {
      const { events } = await stackgate.client.get('/api/v1/events?limit=200', EventPage);
      return events.find((event) => event.kind === 'Reported' && event.note?.includes('not merged'))?.note;
    });
    expect(note).toMatch(/Code-Review/);
    expect((await detail(gerrit, number)).status).toBe('NEW');
  });

  it('is content when a person merged it first', async () => {
    const number = await push('overtaken', 'wait-for-it');
    await approve(number);
    await desk.running(number);
    await mergeByHand(number);
    await signal('overtaken', 'pass');
    await until('nothing of it runs any more', async () =>
      (await desk.builds(number)).every(({ state }) => state !== 'running' && state !== 'waiting'),
    );
    expect((await detail(gerrit, number)).status).toBe('MERGED');
    expect(await vote(gerrit, number)).not.toBe(-1);
  });
});
