import { existsSync, readFileSync } from 'node:fs';
import type { GerritEvent } from '../pipelines/event.ts';
import { readLayout } from '../pipelines/layout/read.ts';
import type { GerritTrigger } from '../pipelines/layout.ts';
import { triggerWants } from '../pipelines/trigger.ts';

/**
 * How many comments a second are judged against every comment trigger of a layout: `npx tsx bench/matching.bench.ts
 * [LAYOUT.yaml]`, by default OpenStack's last production layout. The comments have about 600 characters: what reviewers
 * write, what rechecks look like, and what somebody would write to cost us time.
 */

const usual = new URL('../../shared/conformance/zuul-v2/openstack/layout-2017-10-24.yaml', import.meta.url);
const [file = usual.pathname] = process.argv.slice(2);
if (!existsSync(file)) {
  console.log(`no layout at ${file}: nothing was measured`);
  process.exit(0);
}
const { layout } = readLayout([{ name: 'layout.yaml', text: readFileSync(file, 'utf8') }], {
  dialect: 'zuul-2.6',
  connections: { gerrit: 'gerrit', smtp: 'smtp' },
  functions: 'any',
});
const triggers = (layout?.pipelines ?? [])
  .flatMap((pipeline) => pipeline.triggers)
  .filter((trigger): trigger is GerritTrigger => trigger.kind === 'gerrit' && trigger.comments.length > 0);

const prose = 'I am not sure that this is the right way: the agent reads its bridges only once, at start. ';
const comments = {
  review: `Patch Set 3: Code-Review-1\n\n(3 comments)\n\n${prose.repeat(6)}`,
  'review that says recheck': `Patch Set 3:\n\n${prose.repeat(6)} Did you recheck it?`,
  'long recheck': `Patch Set 3:\n\nrecheck\n\n${prose.repeat(6)}`,
  recheck: 'Patch Set 3: Code-Review+1\n\nrecheck bug 1234567',
  'blanks that end in recheck': `Patch Set 3:${' '.repeat(290)}\n\n${' '.repeat(290)}recheck no bugs`,
};

function eventOf(comment: string): GerritEvent {
  return {
    kind: 'GerritEvent',
    at: 0,
    connection: 'gerrit',
    via: 'stream',
    type: 'comment-added',
    project: 'openstack/nova',
    branch: 'master',
    number: '1',
    patchset: '3',
    account: { username: 'jane' },
    comment,
  };
}

const results = Object.entries(comments).map(([name, comment]) => {
  const judge = (): number => {
    const event = eventOf(comment);
    return triggers.filter((trigger) => triggerWants(trigger, event, []) === true).length;
  };
  for (let i = 0; i < 500; i++) judge();
  const before = process.cpuUsage();
  let events = 0;
  for (const end = performance.now() + 500; performance.now() < end; events += 50) {
    for (let i = 0; i < 50; i++) judge();
  }
  const used = process.cpuUsage(before);
  const perSecond = Math.round(events / ((used.user + used.system) / 1e6));
  return { name, length: comment.length, wanted: judge(), perSecond };
});

console.log(`${triggers.length} comment triggers; events per second of CPU time`);
for (const { name, length, wanted, perSecond } of results) {
  console.log(
    `${name.padEnd(28)} ${`${length}`.padStart(4)} characters  wanted by ${wanted}  ${`${perSecond}`.padStart(8)}/s`,
  );
}
console.log(JSON.stringify({ bench: 'matching', triggers: triggers.length, results }));
