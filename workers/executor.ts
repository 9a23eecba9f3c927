import { z } from 'zod';
import type { JobDefinition } from '../jobs/definition.ts';
import type { BuildAction, StopReason } from '../pipelines/action.ts';
import { BuildFinished } from '../pipelines/event.ts';
import { asFault, type Fault, stopReason } from '../pipelines/fault.ts';
import type {
  Clock,
  LeasedNode,
  LogFolder,
  LogSite,
  SealedParams,
  Secrets,
  Shell,
  ShellExit,
  StagedRepository,
  Store,
} from '../pipelines/ports.ts';
import { type ArtifactLimits, defaultArtifactLimits } from './artifact.ts';
import { type Bound, bindSecrets } from './bindings.ts';
import { type BuildConsole, buildConsole } from './console.ts';
import { crashpoint } from './crashpoint.ts';
import type { Hand } from './handle.ts';
import type { WaitsFor } from './held.ts';
import { lifeOf } from './life.ts';
import type { Neighbours } from './neighbours.ts';
import { openPublishing } from './publish.ts';
import { publishAll } from './publishers/index.ts';
import type { Services } from './publishers/publishing.ts';
import { publishConsoles } from './publishers/scp.ts';
import { hiddenIn } from './redact.ts';
import { classify, inWords, worse } from './results/classify.ts';
import { followSteps } from './run.ts';
import { type NodeTools, type PlannedBuild, shellBuild } from './steps.ts';
import { limitByHistory } from './timeouts.ts';
import { settledSteps } from './waits.ts';

/**
 * The hand that builds. It may be killed at any line and is then run again from the top under the same action, so every part of
 * it finds what it did before:
 *
 *   begun      written down with its time before anything runs; the console's first lines carry that time ever after
 *   start      the supervisor is there once, by build id; one that began and died is `lost`, never begun again
 *   started    a fact under a fixed key
 *   console    made again from the first byte: the same bytes at the same offsets
 *   waits      what a step that waits is told is written down first
 *   publish    artifacts replace themselves; what must not happen twice is written down (publishers/publishing.ts)
 *   finish     a final folder stays as it is
 *   finished   the outcome, written down: from then on the same answer for ever
 *
 * The build itself goes on meanwhile. Its folder on the node stays until the lease is given back, which is after the answer.
 */

export interface ExecutorOptions {
  readonly store: Pick<Store, 'file' | 'effect' | 'saveEffect'>;
  /** The job's definition in a configuration. */
  definition(config: string, job: string): Promise<JobDefinition | undefined>;
  /** The primary node of a lease; undefined when there is no such lease. */
  shellOf(lease: string): Promise<{ readonly shell: Shell; readonly node: LeasedNode } | undefined>;
  /** Repositories to lay beside a build, so that it fetches its change without us. */
  readonly repositories?: (action: BuildAction, signal: AbortSignal) => Promise<readonly StagedRepository[]>;
  readonly site: LogSite;
  readonly clock: Clock;
  /** Never shown in a console or an artifact. */
  readonly hidden?: readonly string[];
  readonly secrets?: Secrets;
  readonly sealed?: SealedParams;
  readonly neighbours?: Neighbours;
  readonly publishers?: Partial<Pick<Services, 'scpHosts' | 'mailer' | 'own'>>;
  /** Asked for each build: the site may have changed. */
  readonly tools?: () => NodeTools;
  /** ms, for jobs that set none. */
  readonly defaultTimeout?: number;
  /** Bytes of console that are kept. */
  readonly consoleLimit?: number;
  readonly artifacts?: ArtifactLimits;
}

type Outcome = BuildFinished['outcome'];

const minute = 60 * 1000;
const hour = 60 * minute;
const publishDeadline = hour;

const Progress = z.discriminatedUnion('phase', [
  /** `limit`: of a timeout that follows from the job's history, ms. */
  z.object({ phase: z.literal('begun'), at: z.number(), limit: z.number().optional() }),
  z.object({ phase: z.literal('finished'), outcome: BuildFinished.shape.outcome }),
]);

/** What one run of the hand knows of its build. */
interface Running {
  readonly action: BuildAction;
  readonly job: JobDefinition;
  readonly shell: Shell;
  readonly node: LeasedNode;
  readonly planned: PlannedBuild;
  readonly bound: Bound;
  readonly begunAt: number;
  readonly url: string;
}

export function executor(options: ExecutorOptions): Hand<'build'> {
  const { store, site, clock } = options;

  async function build(action: BuildAction, signal: AbortSignal): Promise<Outcome> {
    const known = Progress.safeParse(await store.effect(action.id)).data;
    if (known?.phase === 'finished') return known.outcome;
    const url = site.url(action.logPath);
    if (known === undefined && stopReason(signal) !== undefined) return neverRan('ABORTED', 'cancelled');
    if (stopReason(signal) === undefined) signal.throwIfAborted();

    const job = await options.definition(action.config, action.job);
    if (job === undefined) {
      return neverRan('NOT_REGISTERED', `the configuration has no job ${JSON.stringify(action.job)}`);
    }
    const place = await options.shellOf(action.lease);
    if (place === undefined) return { kind: 'lost', reason: 'its nodes were given back' };
    const begunAt = known?.at ?? clock.now();
    const limit = known === undefined ? await limitByHistory(job, options.neighbours) : known.limit;
    if (known === undefined) {
      const begun = { phase: 'begun', at: begunAt, ...(limit === undefined ? {} : { limit }) };
      await store.saveEffect(action.id, begun);
    }
    const { secrets, sealed } = options;
    const bound = await bindSecrets(job, action, { secrets, sealed }, AbortSignal.timeout(minute));
    const planned = shellBuild(action, job, place.node, url, {
      defaultTimeout: options.defaultTimeout ?? 6 * hour,
      limit,
      bound,
      tools: options.tools?.(),
    });
    const running: Running = { action, job, ...place, planned, bound, begunAt, url };
    const outcome = await runAndClose(running, signal);
    crashpoint('build.finished.before');
    await store.saveEffect(action.id, { phase: 'finished', outcome });
    crashpoint('build.finished.after');
    return outcome;

    function neverRan(result: string, detail: string): Outcome {
      const now = clock.now();
      return { kind: 'finished', result, url, startedAt: now, finishedAt: now, detail };
    }
  }

  /** The shell may be a connection to a node: it ends with the build, or with us. */
  async function runAndClose(running: Running, signal: AbortSignal): Promise<Outcome> {
    try {
      return await runToEnd(running, signal);
    } finally {
      await running.shell[Symbol.asyncDispose]();
    }
  }

  async function runToEnd(running: Running, signal: AbortSignal): Promise<Outcome> {
    const { action, shell } = running;
    const life = lifeOf(shell, action.id, signal);
    // Before the start: a build whose log has no room does not begin.
    const folder = await site.open(action.logPath);
    const writer = await folder.console(0);
    try {
      const console = buildConsole({
        timestamps: running.job.timestamps,
        secrets: hiddenFor(running),
        limit: options.consoleLimit ?? 1024 ** 3,
        write: (chunk) => writer.write(chunk),
      });
      await head(console, running);
      const [missing] = running.bound.missing;
      if (missing !== undefined) return await close(running, 'FAILURE', missing, folder, console);
      let neverLived: Fault | undefined;
      try {
        if (stopReason(signal) === undefined) neverLived = await start(running, life.signal);
        life.started();
        const exit = await followSteps(waitsOf(running), console, life.signal);
        await life.stopped();
        return await conclude(running, exit, folder, console, life.signal);
      } catch (caught) {
        const fault = life.failure() ?? neverLived ?? asFault(caught);
        if (fault.code !== 'node-lost') throw fault;
        return await giveUp(running, fault.message, stopReason(signal), folder, console);
      }
    } finally {
      life.end();
      await writer.close();
    }
  }

  /** Starts the build and says so. A lost one is answered, not thrown: `attach` has its last words before it fails, too. */
  async function start(running: Running, signal: AbortSignal): Promise<Fault | undefined> {
    const { action, shell, node, planned, url } = running;
    const { repositories } = options;
    try {
      crashpoint('build.start.before');
      await shell.start(
        {
          ...planned.build,
          ...(repositories === undefined
            ? {}
            : { repositories: (stop: AbortSignal) => repositories(action, stop) }),
        },
        signal,
      );
      crashpoint('build.start.after');
    } catch (caught) {
      const fault = asFault(caught);
      if (fault.code === 'node-lost') return fault;
      throw fault;
    }
    const started = {
      kind: 'BuildStarted',
      at: clock.now(),
      action: action.id,
      node: node.name,
      url,
    } as const;
    crashpoint('build.started.before');
    await store.file([{ key: `started/${action.id}`, fact: started }]);
    crashpoint('build.started.after');
    return undefined;
  }

  /** No exit will ever come: closes the log. A build that was cancelled anyway has its verdict all the same. */
  async function giveUp(
    running: Running,
    reason: string,
    cancelled: StopReason | undefined,
    folder: LogFolder,
    console: BuildConsole,
  ): Promise<Outcome> {
    if (cancelled !== undefined) {
      return await close(running, 'ABORTED', `cancelled: ${cancelled}`, folder, console, `Lost: ${reason}`);
    }
    await close(running, 'LOST', reason, folder, console, `Lost: ${reason}`);
    return { kind: 'lost', reason };
  }

  /** Ends the log of a build that has no end of its own. */
  async function close(
    running: Running,
    result: string,
    detail: string,
    folder: LogFolder,
    console: BuildConsole,
    words = `Finished: ${result}, ${detail}`,
  ): Promise<Outcome> {
    const { begunAt: startedAt, url } = running;
    const hidden = hiddenFor(running);
    const finishedAt = clock.now();
    await console.say(words, finishedAt);
    await console.end();
    await folder.finish({ ...identity(running, hidden), result, detail, startedAt, finishedAt });
    return { kind: 'finished', result, url, startedAt, finishedAt, detail };
  }

  async function conclude(
    running: Running,
    exit: ShellExit,
    folder: LogFolder,
    console: BuildConsole,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { job, planned, url } = running;
    const hidden = hiddenFor(running);
    const { startedAt, finishedAt } = exit;
    const { timeout, quiet } = planned.build;
    const steps = planned.build.steps.map((step) => step.name);
    let verdict = classify(exit, { steps, timeout, quiet });
    for (const settled of await settledSteps(waitsOf(running))) {
      if (settled.result !== undefined) verdict = worse(verdict, settled.result, settled.message);
    }
    if (verdict.detail !== undefined) await console.say(`Ended: ${verdict.detail}`, finishedAt);
    if ((exit.dropped ?? 0) > 0) {
      await console.say(`At least ${exit.dropped} bytes of output are missing before this line`, finishedAt);
    }
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(publishDeadline)]);
    const publishing = openPublishing({
      ...waitsOf(running),
      folder,
      console,
      exit,
      url,
      verdict,
      signal: inTime,
      env: withoutSecrets(running),
      hidden,
      main: planned.build,
    });
    const services: Services = {
      artifacts: options.artifacts ?? defaultArtifactLimits,
      scpHosts: options.publishers?.scpHosts ?? new Map(),
      own: options.publishers?.own ?? {},
      ...(options.publishers?.mailer === undefined ? {} : { mailer: options.publishers.mailer }),
      ...(options.neighbours === undefined ? {} : { neighbours: options.neighbours }),
    };
    crashpoint('build.publish.before');
    await publishAll(job.publishers, publishing, services);
    crashpoint('build.publish.after');
    const { result, detail } = publishing.verdict();
    await console.say(`Finished: ${result} in ${inWords(finishedAt - startedAt)}`, finishedAt);
    await console.end();
    await publishConsoles(
      job.publishers.filter((publisher) => publisher.kind === 'scp'),
      publishing,
      services,
    );
    const ended = { result, ...(detail === undefined ? {} : { detail }) };
    crashpoint('build.finish.before');
    await folder.finish({
      ...identity(running, hidden),
      ...ended,
      startedAt,
      finishedAt,
      exit: { code: exit.code, signal: exit.signal, step: exit.step, stopped: exit.stopped },
      ...(job.discard === undefined ? {} : { discard: job.discard }),
      ...publishing.notes(),
    });
    crashpoint('build.finish.after');
    return { kind: 'finished', ...ended, url, startedAt, finishedAt };
  }

  function hiddenFor({ bound }: Running): readonly string[] {
    return [...(options.hidden ?? []), ...bound.hidden];
  }

  function waitsOf(running: Running): WaitsFor {
    const { action, shell, planned, bound } = running;
    const { neighbours, sealed } = options;
    const passwords = async (name: string) =>
      (await options.definition(action.config, name))?.passwords ?? [];
    const secrecy = { given: bound.params, hidden: hiddenFor(running), passwords, sealed };
    return { action, shell, build: action.id, steps: planned.steps, neighbours, secrecy, effects: store };
  }

  return build;
}

/** What publishers may put into mails and names. */
function withoutSecrets({ planned, bound, job }: Running): Record<string, string> {
  const secret = new Set([...Object.keys(bound.env), ...(job.passwords ?? [])]);
  return Object.fromEntries(Object.entries(planned.build.env).filter(([name]) => !secret.has(name)));
}

/** Parameters may be passwords. */
function identity(running: Running, hidden: readonly string[]): Record<string, unknown> {
  const { action, node } = running;
  const { job, number, uuid, pipeline, project } = action;
  const params = shownParams(running);
  const { ZUUL_CHANGE: change, ZUUL_PATCHSET: patchset } = params;
  return {
    job,
    number,
    uuid,
    pipeline,
    project,
    change,
    patchset,
    node: node.name,
    params: hiddenIn(params, hidden),
  };
}

/** What the build was told; of secrets their names. */
function shownParams({ action, bound }: Running): Record<string, string> {
  const secret = Object.keys(bound.params).filter(
    (name) => Object.hasOwn(action.params, name) || action.sealed?.names.includes(name) === true,
  );
  return { ...action.params, ...Object.fromEntries(secret.map((name) => [name, '****'])) };
}

/** What a stranger must be able to learn from a log: which change, which node, when, with what (OpenStack's rules ask for it). */
async function head(console: BuildConsole, running: Running): Promise<void> {
  const { action, node, begunAt } = running;
  const { ZUUL_CHANGE: change, ZUUL_PATCHSET: patchset, ZUUL_BRANCH: branch } = action.params;
  const subject =
    change === undefined ? action.project : `${action.project} ${change},${patchset ?? ''} (${branch ?? ''})`;
  await console.say(`Job ${action.job} #${action.number}, build ${action.uuid}`, begunAt);
  await console.say(`Pipeline ${action.pipeline}: ${subject}`, begunAt);
  await console.say(`Node ${node.name}, ${new Date(begunAt).toISOString()}`, begunAt);
  for (const [name, value] of Object.entries(shownParams(running)).sort(([a], [b]) => (a < b ? -1 : 1))) {
    await console.say(`${name}=${value}`, begunAt);
  }
}
