import { type Cron, nextTime, parseCron } from '../cron.ts';
import { add } from '../enqueue.ts';
import type { Pipeline, TimerTrigger } from '../layout.ts';
import { type Rules, rulesOf } from '../rules.ts';
import { type Draft, drop, put, type World } from '../world.ts';

/** Timers: every pipeline with one runs the jobs it has for every project when its time comes; missed times come once. */

interface Timer {
  readonly key: string;
  readonly pipeline: Pipeline;
  readonly trigger: TimerTrigger;
  readonly cron: Cron;
}

const timersByRules = new WeakMap<Rules, readonly Timer[]>();

export function timersOf(rules: Rules): readonly Timer[] {
  const known = timersByRules.get(rules);
  if (known !== undefined) return known;
  const style = { apscheduler: rules.quirk('apscheduler-cron') };
  const timers: Timer[] = [];
  for (const pipeline of rules.layout.pipelines) {
    for (const trigger of pipeline.triggers) {
      if (trigger.kind !== 'timer') continue;
      const cron = parseCron(trigger.time, style);
      if (cron !== undefined)
        timers.push({ key: `${pipeline.name} ${trigger.time}`, pipeline, trigger, cron });
    }
  }
  timersByRules.set(rules, timers);
  return timers;
}

/** Arms new timers and forgets those that are gone. */
export function armTimers(draft: Draft, rules: Rules, at: number): void {
  const timers = timersOf(rules);
  for (const key of draft.tables.timers.keys()) {
    if (!timers.some((timer) => timer.key === key)) drop(draft, 'timers', key);
  }
  for (const { key } of timers) if (!draft.tables.timers.has(key)) put(draft, 'timers', key, { last: at });
}

export function fireTimers(draft: Draft, rules: Rules, at: number): string[] {
  const notes: string[] = [];
  for (const { key, cron, pipeline, trigger } of timersOf(rules)) {
    const last = draft.tables.timers.get(key)?.last ?? at;
    const due = nextTime(cron, last);
    if (due === undefined || due > at) continue;
    put(draft, 'timers', key, { last: at });
    notes.push(fireTimer(draft, rules, pipeline, trigger.connection));
  }
  return notes;
}

export function fireTimer(draft: Draft, rules: Rules, pipeline: Pipeline, connection: string): string {
  let enqueued = 0;
  for (const project of Object.values(rules.layout.projects)) {
    if (project.pipelines[pipeline.name] === undefined) continue;
    const subject = { kind: 'timer' as const, connection, project: project.name };
    if (add(draft, rules, pipeline, subject).ok) enqueued += 1;
  }
  return `${enqueued} projects in ${pipeline.name}`;
}

/** When the next Tick is needed, ms. */
export function nextAlarm(world: World): number | undefined {
  if (world.config === undefined) return undefined;
  let next: number | undefined;
  for (const { key, cron } of timersOf(rulesOf(world.config))) {
    const row = world.tables.timers.get(key);
    const due = row === undefined ? undefined : nextTime(cron, row.last);
    if (due !== undefined && (next === undefined || due < next)) next = due;
  }
  return next;
}
