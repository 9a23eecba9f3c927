import type { Layout } from './layout.ts';

/**
 * Accidents of Zuul 2.6 that recorded traces show and that we do better. Every one is off; `Layout.quirks` names those that
 * a conformance run turns on. The engine is the same either way: a quirk changes one decision, never the machinery.
 */
export const quirks = {
  'zuul-message':
    'Zuul 2.6 writes `Build succeeded.`; the results tab of today’s Gerrit wants the pipeline in the header.',
  'silent-cycles':
    'Zuul dropped the event of a change in a dependency cycle without a word; we say it on the change.',
  'jobless-items':
    'Zuul queued changes that no job applies to, announced them, and in a gate took their end for a failed merge.',
  'filtered-parent-blocks':
    'In Zuul a job whose parent does not apply never starts and is waited for, so that its item stays for ever; with us it starts.',
  'merge-non-live':
    'Zuul merged changes that are only there for those behind them; the merge of those behind does it all.',
  'cancelled-overwrites-finished':
    'Zuul marked finished builds CANCELED too when a needed change failed; we keep what they found out.',
  'reject-without-approvals': 'In Zuul a pipeline with `reject` takes no change that has no vote at all.',
  'relink-on-reconfigure':
    'Zuul lined all items of a queue up again when it reloaded, so that the next pass restarted some without need.',
  'moves-alone':
    'Zuul moved an item without those who build on it, and then, in the same pass, every one of them; with us they come along, which spares a long gate the way.',
  'revive-on-promote':
    'Zuul’s promote made live items of changes that were only there for those behind them.',
  'apscheduler-cron': 'Zuul ignored the month of a timer and counted weekdays from Monday = 0.',
  'skips-unwanted-jobs':
    'When a parent failed or a merge conflicted, Zuul marked jobs SKIPPED that do not even apply to the change.',
  'lost-builds-forgotten':
    'Zuul forgot number and times of a build that was lost too often, so its report could not link to it.',
  'queue-after-emptied-waits':
    'Zuul changed its list of queues while it went through it: after a queue that became empty it passed over the next one, so that a free mutex went to the one after.',
  'updated-needs-fail':
    'A change under check whose dependency got a new patchset left Zuul with a failure; with us it starts over on the new one.',
  'removes-after-look':
    'Zuul took out older patchsets and abandoned changes only after a look at the change; with us the event is enough.',
  'stale-patchsets':
    'Zuul was not told about an older patchset that a newer one came; with us what is true of a change is true of all.',
  'stands-still-while-reporting':
    'Zuul did nothing else while Gerrit took a report; we go on building on the expected merge.',
  'every-line-of-job': 'A job that stands under two parents appeared twice in Zuul’s reports; with us once.',
  'disabled-forgets-conflicts':
    'Zuul lost the report of a merge conflict in a disabled pipeline in an endless recursion.',
  'raw-comments':
    'Zuul matched comments as Gerrit sends them, so that `(1 comment)` after the header or a patchset-level comment defeats the patterns.',
  'hears-other-cis':
    'Zuul took a comment of another CI, which quotes what people may write, for that of a person; with us a trigger must ask for it by username or e-mail address.',
  'nobody-passes':
    'In Zuul an event that names no account passes every `username` and `email` filter of a trigger.',
  'event-prefix': 'Zuul took the event of a trigger for the beginning of the type of an event.',
  'require-false-is-nothing':
    'Zuul’s documentation lets `open: false` ask for closed changes; its code did not look at it.',
  'noop-joins-queues':
    'In Zuul the job `noop` is common to two projects and joins their queues; it tests nothing, so nothing is shared.',
  'top-mapping-loses-children':
    'Zuul dropped the children of `parent: [children]` where that mapping stands directly under the pipeline, in no list.',
  'non-ascii-jobs-vanish':
    'On Python 2 a job whose name goes beyond ASCII vanished from its project without a word.',
} as const;

export type Quirk = keyof typeof quirks;

export function hasQuirk(layout: Pick<Layout, 'quirks'>, quirk: Quirk): boolean {
  return layout.quirks.includes(quirk);
}
