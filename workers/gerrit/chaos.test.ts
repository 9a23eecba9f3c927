import { expect, it } from 'vitest';
import type { ReportAction } from '../../pipelines/action.ts';
import { listening, openLab, PROJECT } from '../../test/fixtures/gerritlab.ts';

/**
 * A bad day, drawn from a seed: people push and talk, connections are cut, events vanish, queries lag, answers get lost, Gerrit
 * restarts. When the day is over, every event is in the ledger once and every report stands on its change once.
 *
 * CHAOS_SEED=n repeats one day, CHAOS_DAYS=n runs more of them.
 */
const first = Number(process.env['CHAOS_SEED'] ?? '1');
const days = Number(process.env['CHAOS_DAYS'] ?? '3');

/** mulberry32: small, seeded, good enough to draw days. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

it.each(Array.from({ length: days }, (_, n) => first + n))(
  'day %i loses nothing and doubles nothing',
  async (seed) => {
    const next = random(seed);
    // oxlint-disable-next-line typescript/no-non-null-assertion -- lists here are never empty
    const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)]!;
    const lab = await openLab();
    const { gerrit } = lab;
    try {
      const patience = {
        commandDeadline: 400,
        readyTimeout: 400,
        probeInterval: 150,
        probeDeadline: 150,
        readBack: 700,
      };
      const intake = lab.intake({ ...patience, reconnectMost: 60 });
      const review = lab.review(patience);
      await listening(lab, intake);
      const numbers = [(await gerrit.push(PROJECT, { user: 'ann' })).number];
      const texts: string[] = [];
      const reports: Promise<unknown>[] = [];
      const said: { id: string; number: number }[] = [];

      const report = async (action: ReportAction): Promise<void> => {
        for (let attempt = 1; ; attempt++) {
          try {
            expect(await review.report(action, new AbortController().signal)).toMatchObject({
              kind: 'posted',
            });
            return;
          } catch (caught) {
            // What the work queue does: the same action again, a little later.
            if (attempt > 40 || !(caught instanceof Error && 'code' in caught)) throw caught;
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
        }
      };
      const steps: Record<string, () => Promise<void> | void> = {
        push: async () => void numbers.push((await gerrit.push(PROJECT, { user: 'ann' })).number),
        amend: async () => void (await gerrit.push(PROJECT, { user: 'ann', change: pick(numbers) })),
        comment: async () => {
          texts.push(`words ${texts.length}`);
          await gerrit.comment(pick(numbers), `words ${texts.length - 1}`, { user: 'ann' });
        },
        report: () => {
          const number = pick(numbers);
          const id = `report-${said.length}`;
          said.push({ id, number });
          const patchset = String(gerrit.change(number).patchsets.length);
          const subject = {
            connection: 'gerrit',
            project: PROJECT,
            branch: 'master',
            number: String(number),
            patchset,
          };
          const message = `Build succeeded (check pipeline).\n\n- ${id} https://logs/ : SUCCESS in 1s`;
          const labels = { verified: pick([1, -1]) };
          const how = { revision: 'x', pipeline: 'check', phase: 'success' as const, submit: false };
          reports.push(report({ kind: 'report', id, ...subject, ...how, message, labels }));
        },
        cut: () => gerrit.cut(pick(['streams', 'all']), pick(['rst', 'fin'])),
        freeze: () => gerrit.freeze(pick(['streams', 'all'])),
        thaw: () => gerrit.thaw(),
        swallow: () => void (gerrit.faults.swallowEvents = pick([0, 1, 3, 50])),
        lag: () => void (gerrit.faults.queryLag = pick([0, 50, 200])),
        split: () => void (gerrit.faults.splitEvents = pick([0, 100])),
        lose: () =>
          void (gerrit.faults.review = { kind: pick(['lost-after', 'lost-before']), times: pick([1, 2]) }),
        drop: () => gerrit.inject({ type: 'dropped-output', eventCreatedOn: Math.floor(Date.now() / 1000) }),
        restart: async () => {
          await gerrit.down();
          await gerrit.up();
        },
        sweep: async () => void (await intake.sweep('requested').catch(() => undefined)),
        wait: () => new Promise((resolve) => setTimeout(resolve, next() * 100)),
      };
      const often = ['push', 'amend', 'comment', 'comment', 'report', 'report', 'wait'];
      for (let step = 0; step < 60; step++)
        await steps[next() < 0.6 ? pick(often) : pick(Object.keys(steps))]?.();

      gerrit.thaw();
      Object.assign(gerrit.faults, { swallowEvents: 0, queryLag: 0, splitEvents: 0, review: null });
      await Promise.all(reports);
      await lab.until('the stream stands', () => intake.state().stream.phase.kind === 'connected', 15_000);
      await lab.until(
        'a sweep proves the day',
        async () => (await intake.sweep('requested').catch(() => undefined))?.missed === 0,
        15_000,
      );

      const created = (await lab.facts('patchset-created')).map(
        ({ number, patchset }) => `${number},${patchset}`,
      );
      const pushed = gerrit
        .changes()
        .flatMap(({ number, patchsets }) => patchsets.map((set) => `${number},${set.number}`));
      expect(created.sort()).toEqual(pushed.sort());
      const heard = (await lab.facts('comment-added')).flatMap(
        ({ comment }) => /words \d+$/.exec(comment ?? '')?.[0] ?? [],
      );
      expect(heard.sort()).toEqual(texts.sort());
      const posted = gerrit
        .reviews({ user: 'ci' })
        .map(({ message }) => /report-\d+/.exec(message)?.[0] ?? '');
      expect(posted.sort()).toEqual(said.map(({ id }) => id).sort());
      const own = (await lab.facts('comment-added')).flatMap(
        ({ comment }) => /report-\d+/.exec(comment ?? '')?.[0] ?? [],
      );
      expect(own.sort()).toEqual(posted.sort());
    } finally {
      await lab[Symbol.asyncDispose]();
    }
  },
  60_000,
);
