import type { Action } from '../../../pipelines/action.ts';
import type { Fact } from '../../../pipelines/event.ts';
import type { Filed, Row } from '../../../pipelines/ports.ts';
import type { Kernel, Step } from '../../../workers/scheduler.ts';

/**
 * A kernel with the ring's shape and nothing else: an event walks through fetch, merge, acquire, build and report, one turn
 * each, and then is history. For tests and benchmarks of what turns the ring.
 */

export const STAGES = ['fetch', 'merge', 'acquire', 'build', 'report'] as const;
type Stage = (typeof STAGES)[number];

export interface ToyWorld {
  readonly site: string;
  readonly stages: ReadonlyMap<string, Stage>;
  /** The next Tick wanted. */
  readonly alarm?: number;
  readonly ticks: number;
}

/** `type` says what happens: anything walks; `poison` cannot be digested, `unwritable` not be stored. */
export function arrival(number: number | string, type = 'patchset-created', more: object = {}): Filed {
  const fact = { kind: 'GerritEvent', at: 1, connection: 'g', via: 'stream', number: `${number}` } as const;
  return { key: `${type}/${number}`, fact: { ...fact, type, ...more } };
}

export const toyKernel: Kernel<ToyWorld> = {
  emptyWorld: (site) => ({ site, stages: new Map(), ticks: 0 }),
  worldFrom: (rows) => {
    const stages = new Map<string, Stage>();
    for (const row of rows) {
      const stage = STAGES.find((name) => name === row.value);
      if (row.table === 'stages' && stage !== undefined) stages.set(row.key, stage);
    }
    return { site: '', stages, ticks: 0 };
  },
  digestOf: () => undefined,
  nextAlarm: (world) => world.alarm,
  step: (world, fact) => {
    if (fact.kind === 'GerritEvent') return arrive(world, fact);
    if (fact.kind === 'Tick') {
      const { alarm: _, ...rest } = world;
      return nothing({ ...rest, ticks: world.ticks + 1 }, 'ticked');
    }
    return 'action' in fact ? follow(world, fact.action) : nothing(world, 'not for us');
  },
};

function arrive(world: ToyWorld, fact: Extract<Fact, { kind: 'GerritEvent' }>): Step<ToyWorld> {
  const number = fact.number ?? '';
  if (fact.type === 'poison') throw new Error('indigestible');
  if (fact.type === 'alarm') return nothing({ ...world, alarm: fact.at }, 'armed');
  if (fact.type === 'unwritable') {
    const row = { table: 'stages', key: number, value: 10n };
    return { ...nothing(world, 'unwritable'), patch: { put: [row], drop: [] } };
  }
  if (fact.type === 'change-abandoned') {
    const stage = world.stages.get(number);
    if (stage === undefined) return nothing(world, 'not here');
    const cancel = { kind: 'cancel', id: `cancel-${stage}-${number}`, target: `${stage}-${number}` } as const;
    return { ...move(world, number, undefined), actions: [{ ...cancel, reason: 'abandoned' }] };
  }
  return move(world, number, 'fetch');
}

function follow(world: ToyWorld, answered: string): Step<ToyWorld> {
  const [stage, number = ''] = answered.split('-');
  if (world.stages.get(number) !== stage) return nothing(world, 'stale answer');
  return move(world, number, STAGES[STAGES.findIndex((name) => name === stage) + 1]);
}

function move(world: ToyWorld, number: string, stage: Stage | undefined): Step<ToyWorld> {
  const stages = new Map(world.stages);
  const here = { table: 'stages', key: number };
  if (stage === undefined) {
    stages.delete(number);
    const history: Row[] = [{ table: 'item', key: number, value: { change: `${number},1`, at: 1 } }];
    return { ...nothing({ ...world, stages }, 'ended'), patch: { put: [], drop: [here] }, history };
  }
  stages.set(number, stage);
  const patch = { put: [{ ...here, value: stage }], drop: [] };
  return { ...nothing({ ...world, stages }, stage), patch, actions: [wish(stage, number)] };
}

function nothing(world: ToyWorld, note: string): Step<ToyWorld> {
  return { world, note, actions: [], history: [], patch: { put: [], drop: [] } };
}

function wish(stage: Stage, number: string): Action {
  const id = `${stage}-${number}`;
  const change = { connection: 'g', project: 'p', branch: 'master', number, patchset: '1', revision: 'r' };
  const common = { job: 'unit', pipeline: 'check' };
  switch (stage) {
    case 'fetch':
      return { kind: 'fetch', id, connection: 'g', number, expect: {}, dependents: false };
    case 'merge':
      return {
        kind: 'merge',
        id,
        precedence: 'normal',
        stack: [{ ...change, refspec: 'refs/changes/1', mode: 'merge', ref: 'refs/zuul/master/Z' }],
      };
    case 'acquire': {
      const nodes = { label: 'node' };
      return { kind: 'acquire', id, build: `build-${number}`, ...common, precedence: 'normal', nodes };
    }
    case 'build': {
      const uuid = number.padStart(32, '0');
      const where = { project: 'p', config: 'c', lease: 'l', params: {}, logPath: 'x' };
      return { kind: 'build', id, uuid, number: 1, ...common, ...where };
    }
    case 'report': {
      const said = { message: 'Build succeeded', labels: {}, submit: false };
      return { kind: 'report', id, ...change, pipeline: 'check', phase: 'success', ...said };
    }
    default:
      return stage satisfies never;
  }
}
