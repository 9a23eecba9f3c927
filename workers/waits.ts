import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Copy, Threshold, Trigger } from '../jobs/definition/builder.ts';
import { parametersFile } from '../jobs/script/generated.ts';
import { Fault } from '../pipelines/fault.ts';
import type { CollectedFile, Shell } from '../pipelines/ports.ts';
import { partParams } from '../pipelines/sealed.ts';
import { chosenBuild } from './copy.ts';
import { crashpoint } from './crashpoint.ts';
import { Settled, type WaitsFor } from './held.ts';
import { jenkinsResult, type Neighbours, rankOf } from './neighbours.ts';
import { hiddenIn } from './redact.ts';

/**
 * Steps that wait for something that is not on their node: builds of other jobs, artifacts of other builds. What becomes of
 * such a step is settled once and written down under a name of its own; after a restart the same answer is given again.
 */

type Asked = Extract<z.infer<typeof Phase>, { phase: 'asked' }>;

const Phase = z.discriminatedUnion('phase', [
  z.object({
    phase: z.literal('asked'),
    params: z.record(z.string(), z.string()),
    /** Names of those that were sealed for each of the builds. */
    sealed: z.array(z.string()).optional(),
  }),
  z.object({ phase: z.literal('settled'), settled: Settled }),
]);

/** ms between looks at the node, and at builds that are waited for. */
const look = { node: 250, build: 1000 };

/** Answers steps of a running build until `signal` aborts. Nothing to do for a build without such steps. */
export async function answerWaits(waits: WaitsFor, signal: AbortSignal): Promise<void> {
  if (!waits.steps.some((step) => step.waitsFor !== undefined)) return;
  while (!signal.aborted) {
    const at = await waits.shell.held(waits.build, signal);
    const waiting = at === undefined ? undefined : waits.steps[at]?.waitsFor;
    if (at !== undefined && waiting !== undefined) {
      const settled = await settle(waits, at, waiting, signal);
      crashpoint('build.resume.before');
      await waits.shell.resume(waits.build, at, filesFor(waits, waiting, settled, signal), signal);
      crashpoint('build.resume.after');
    }
    await pause(look.node, signal);
  }
}

/** What the steps that waited made of the build. */
export async function settledSteps(waits: WaitsFor): Promise<Settled[]> {
  const found: Settled[] = [];
  for (const [index, step] of waits.steps.entries()) {
    if (step.waitsFor === undefined) continue;
    const known = Phase.safeParse(await waits.effects.effect(effectOf(waits.build, index))).data;
    if (known?.phase === 'settled') found.push(known.settled);
  }
  return found;
}

function effectOf(build: string, step: number): string {
  return `${build}.step-${step}`;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

async function settle(
  waits: WaitsFor,
  step: number,
  waiting: Trigger | Copy,
  signal: AbortSignal,
): Promise<Settled> {
  const { effects, build } = waits;
  const name = effectOf(build, step);
  const known = Phase.safeParse(await effects.effect(name)).data;
  if (known?.phase === 'settled') return known.settled;
  const settled =
    waiting.kind === 'copy'
      ? await chosenBuild(waits, waiting)
      : await triggered(waits, step, waiting, known, signal);
  await effects.saveEffect(name, { phase: 'settled', settled });
  return settled;
}

async function triggered(
  waits: WaitsFor,
  step: number,
  trigger: Trigger,
  known: Asked | undefined,
  signal: AbortSignal,
): Promise<Settled> {
  const { neighbours, action, build } = waits;
  if (neighbours === undefined) return failed('builds of other jobs cannot be asked for here');
  const asked = trigger.jobs.map((job, index) => ({ id: `${build}-${step}-${index}`, job }));
  const told = known ?? (await askedFor(waits, step, trigger, asked, signal));
  if (typeof told === 'string') return failed(told);
  const { params, sealed } = told;
  for (const { id, job } of asked) {
    crashpoint('build.trigger.before');
    const secret = sealed === undefined ? {} : { sealed };
    await neighbours.request({ id, job, params, ...secret, upstream: action.uuid, by: `job ${action.job}` });
    crashpoint('build.trigger.after');
  }
  if (trigger.block === undefined)
    return { message: `Triggered ${trigger.jobs.join(', ')}`, code: 0, variables: {} };
  const lines: string[] = [];
  const variables: Record<string, string> = {};
  let worst = 'SUCCESS';
  for (const { id, job } of asked) {
    const ended = await endOf(neighbours, id, signal);
    lines.push(`${job}: ${ended.result}${ended.url === undefined ? '' : ` ${ended.url}`}`);
    if (rankOf(ended.result) > rankOf(worst)) worst = ended.result;
    const name = job.replace(/[^A-Za-z0-9_]/g, '_');
    variables['LAST_TRIGGERED_JOB_NAME'] = job;
    variables[`TRIGGERED_BUILD_RESULT_${name}`] = jenkinsResult(ended.result);
    if (ended.number !== undefined) variables[`TRIGGERED_BUILD_NUMBER_${name}`] = `${ended.number}`;
  }
  const { stop, unstable, failure } = trigger.block;
  const result = reaches(worst, failure) ? 'FAILURE' : reaches(worst, unstable) ? 'UNSTABLE' : undefined;
  if (result !== undefined) variables['STACKGATE_STATUS'] = result;
  return {
    message: lines.join('\n'),
    code: reaches(worst, stop) ? 1 : 0,
    variables,
    ...(result === undefined ? {} : { result }),
  };
}

/** Settles what the builds are told and writes it down; what is secret is sealed before. A text: why they cannot be asked for. */
async function askedFor(
  waits: WaitsFor,
  step: number,
  trigger: Trigger,
  asked: readonly { readonly id: string; readonly job: string }[],
  signal: AbortSignal,
): Promise<Asked | string> {
  const { secrecy, effects, build } = waits;
  const all = await paramsFor(waits, step, trigger, signal);
  if (all === undefined) return `there is no properties file ${trigger.file ?? ''}`;
  const passwords = new Set(Object.keys(secrecy.given));
  for (const { job } of asked) for (const name of await secrecy.passwords(job)) passwords.add(name);
  const { open, secret } = partParams(
    all,
    (name, value) => passwords.has(name) || hiddenIn(value, secrecy.hidden) !== value,
  );
  const names = Object.keys(secret);
  if (names.length > 0 && secrecy.sealed === undefined)
    return `${names.join(', ')} cannot be kept secret here`;
  if (names.length > 0) for (const { id } of asked) await secrecy.sealed?.keep(id, secret);
  const told: Asked = { phase: 'asked', params: open, ...(names.length === 0 ? {} : { sealed: names }) };
  await effects.saveEffect(effectOf(build, step), told);
  return told;
}

function reaches(result: string, threshold: Threshold): boolean {
  return threshold !== 'never' && rankOf(result) >= rankOf(threshold);
}

function failed(why: string): Settled {
  return { message: `Cannot trigger: ${why}`, code: 1, variables: {} };
}

async function endOf(neighbours: Neighbours, id: string, signal: AbortSignal) {
  for (;;) {
    const ended = await neighbours.outcome(id);
    if (ended !== undefined) return ended;
    if (signal.aborted)
      throw new Fault('stopped', 'no longer waiting for a triggered build', { retry: true });
    await pause(look.build, signal);
  }
}

/** What a triggered build is told: our own parameters, those of the file, those of the trigger, and who asked. */
async function paramsFor(
  waits: WaitsFor,
  step: number,
  trigger: Trigger,
  signal: AbortSignal,
): Promise<Record<string, string> | undefined> {
  const { action, shell, secrecy } = waits;
  const prepared = await textOf(shell, action.id, parametersFile(step), signal);
  const file = trigger.file === undefined ? '' : await textOf(shell, action.id, trigger.file, signal);
  if (file === undefined && trigger.fileRequired) return undefined;
  const own = (prepared ?? '').split('\0').flatMap((pair): [string, string][] => {
    const at = pair.indexOf('=');
    return at > 0 ? [[pair.slice(0, at), pair.slice(at + 1)]] : [];
  });
  return {
    ...(trigger.current ? { ...action.params, ...secrecy.given } : {}),
    ...Object.fromEntries(propertiesOf(file ?? '')),
    ...Object.fromEntries(own),
    UPSTREAM_JOB: action.job,
    UPSTREAM_BUILD_NUMBER: `${action.number}`,
    UPSTREAM_UUID: action.uuid,
  };
}

/** Java properties as far as jobs write them: NAME=value lines. */
function propertiesOf(text: string): [string, string][] {
  return text.split('\n').flatMap((line): [string, string][] => {
    const [, name, value] = /^\s*([^#!=:\s][^=:\s]*)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value]];
  });
}

const mostText = 1024 * 1024;

async function textOf(
  shell: Shell,
  build: string,
  path: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  for await (const file of shell.collect(build, [path], [], signal)) {
    if (file.size > mostText) return undefined;
    const parts: Uint8Array[] = [];
    for await (const part of file.content) parts.push(part);
    return Buffer.concat(parts).toString('utf8');
  }
  return undefined;
}

/** What lies ready for the step: its words, its code, variables, and the artifacts it is to copy. */
async function* filesFor(
  waits: WaitsFor,
  waiting: Trigger | Copy,
  settled: Settled,
  signal: AbortSignal,
): AsyncIterable<CollectedFile> {
  yield file('message', `${settled.message}\n`);
  yield file('code', `${settled.code}\n`);
  const pairs = Object.entries(settled.variables).map(([name, value]) => `${name}=${value}\0`);
  if (pairs.length > 0) yield file('variables', pairs.join(''));
  if (waiting.kind !== 'copy' || settled.from === undefined || waits.neighbours === undefined) return;
  const { include, exclude } = waiting;
  for await (const each of waits.neighbours.artifacts({ logPath: settled.from }, include, exclude, signal)) {
    const path = waiting.flatten ? (each.path.split('/').at(-1) ?? each.path) : each.path;
    yield { ...each, path: `files/${path}` };
  }
}

function file(path: string, text: string): CollectedFile {
  const bytes = Buffer.from(text);
  async function* content() {
    yield bytes;
  }
  return { path, size: bytes.length, content: content() };
}
