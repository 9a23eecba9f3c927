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
  Shell,
  ShellBuild,
  ShellExit,
  StagedRepository,
  Store,
} from '../pipelines/ports.ts';
import { type Archived, type ArtifactLimits, archive, defaultArtifactLimits } from './artifact.ts';
import { type BuildConsole, buildConsole } from './console.ts';
import { crashpoint } from './crashpoint.ts';
import type { Hand } from './handle.ts';
import { lifeOf } from './life.ts';
import { classify, inWords, type Verdict } from './results/classify.ts';
import { shellBuild } from './steps.ts';

/**
 * The hand that builds. It may be killed at any line and is then run again from the top under the same action, so every part of
 * it finds what it did before:
 *
 *   begun      written down with its time before anything runs; the console's first lines carry that time ever after
 *   start      the supervisor is there once, by build id; one that began and died is `lost`, never begun again
 *   started    a fact under a fixed key
 *   console    made again from the first byte: the same bytes at the same offsets
 *   publish    artifacts replace themselves
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
  /** Never shown in a console. */
  readonly secrets?: readonly string[];
  /** ms, for jobs that set none. */
  readonly defaultTimeout?: number;
  /** Bytes of console that are kept. */
  readonly consoleLimit?: number;
  readonly artifacts?: ArtifactLimits;
}

type Outcome = BuildFinished['outcome'];

const hour = 60 * 60 * 1000;
const publishDeadline = hour;

const Progress = z.discriminatedUnion('phase', [
  z.object({ phase: z.literal('begun'), at: z.number() }),
  z.object({ phase: z.literal('finished'), outcome: BuildFinished.shape.outcome }),
]);

/** What one run of the hand knows of its build. */
interface Running {
  readonly action: BuildAction;
  readonly job: JobDefinition;
  readonly shell: Shell;
  readonly node: LeasedNode;
  readonly build: ShellBuild;
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
    if (known === undefined) await store.saveEffect(action.id, { phase: 'begun', at: begunAt });

    const { repositories } = options;
    const script: ShellBuild = {
      ...shellBuild(action, job, place.node, url, options.defaultTimeout ?? 6 * hour),
      ...(repositories === undefined
        ? {}
        : { repositories: (stop: AbortSignal) => repositories(action, stop) }),
    };
    const running: Running = { action, job, ...place, build: script, begunAt, url };
    const outcome = await runToEnd(running, signal);
    crashpoint('build.finished.before');
    await store.saveEffect(action.id, { phase: 'finished', outcome });
    crashpoint('build.finished.after');
    return outcome;

    function neverRan(result: string, detail: string): Outcome {
      const now = clock.now();
      return { kind: 'finished', result, url, startedAt: now, finishedAt: now, detail };
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
        secrets: options.secrets ?? [],
        limit: options.consoleLimit ?? 1024 ** 3,
        write: (chunk) => writer.write(chunk),
      });
      await head(console, running);
      let neverLived: Fault | undefined;
      try {
        if (stopReason(signal) === undefined) neverLived = await start(running, life.signal);
        life.started();
        const sink = { output: (chunk: Uint8Array, _: number, at: number) => console.output(chunk, at) };
        const exit = await shell.attach(action.id, 0, sink, life.signal);
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
    const { action, shell, node, build, url } = running;
    try {
      crashpoint('build.start.before');
      await shell.start(build, signal);
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
    const { begunAt, url } = running;
    const finishedAt = clock.now();
    const result = cancelled === undefined ? 'LOST' : 'ABORTED';
    await console.say(`Lost: ${reason}`, finishedAt);
    await console.end();
    await folder.finish({ ...identity(running), result, detail: reason, startedAt: begunAt, finishedAt });
    if (cancelled === undefined) return { kind: 'lost', reason };
    return {
      kind: 'finished',
      result,
      url,
      startedAt: begunAt,
      finishedAt,
      detail: `cancelled: ${cancelled}`,
    };
  }

  async function conclude(
    running: Running,
    exit: ShellExit,
    folder: LogFolder,
    console: BuildConsole,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { build } = running;
    const steps = build.steps.map((step) => step.name);
    let verdict = classify(exit, { steps, timeout: build.timeout });
    if (verdict.detail !== undefined) await console.say(`Ended: ${verdict.detail}`, exit.finishedAt);
    if ((exit.dropped ?? 0) > 0) {
      await console.say(
        `At least ${exit.dropped} bytes of output are missing before this line`,
        exit.finishedAt,
      );
    }
    crashpoint('build.publish.before');
    const published = await publish(running, verdict, exit, folder, console, signal);
    verdict = published.verdict;
    crashpoint('build.publish.after');
    await console.say(
      `Finished: ${verdict.result} in ${inWords(exit.finishedAt - exit.startedAt)}`,
      exit.finishedAt,
    );
    await console.end();
    crashpoint('build.finish.before');
    await folder.finish({
      ...identity(running),
      ...verdict,
      startedAt: exit.startedAt,
      finishedAt: exit.finishedAt,
      exit: { code: exit.code, signal: exit.signal, step: exit.step, stopped: exit.stopped },
      skipped: published.archived.flatMap((each) => each.skipped),
    });
    crashpoint('build.finish.after');
    const { startedAt, finishedAt } = exit;
    return { kind: 'finished', ...verdict, url: running.url, startedAt, finishedAt };
  }

  async function publish(
    running: Running,
    before: Verdict,
    exit: ShellExit,
    folder: LogFolder,
    console: BuildConsole,
    signal: AbortSignal,
  ): Promise<{ verdict: Verdict; archived: Archived[] }> {
    const { action, shell, job } = running;
    const limits = options.artifacts ?? defaultArtifactLimits;
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(publishDeadline)]);
    const archived: Archived[] = [];
    let verdict = before;
    for (const publisher of job.publishers) {
      if (publisher.onlyIfSuccess && before.result !== 'SUCCESS') continue;
      const done = await archive(shell, action.id, publisher, folder, limits, inTime);
      archived.push(done);
      const what = publisher.include.join(',');
      const left = done.skipped.length + done.skippedMore;
      const more = left === 0 ? '' : `, ${left} left out (see manifest.json)`;
      await console.say(`Archived ${what}: ${done.files} files, ${done.bytes} bytes${more}`, exit.finishedAt);
      const empty = done.files === 0 && left === 0 && !publisher.allowEmpty;
      if (empty && verdict.result === 'SUCCESS') {
        verdict = { result: 'POST_FAILURE', detail: `no file matches ${what}, which is to be archived` };
      }
    }
    return { verdict, archived };
  }

  return build;
}

function identity({ action, node }: Running): Record<string, unknown> {
  const { job, number, uuid, pipeline, project, params } = action;
  const { ZUUL_CHANGE: change, ZUUL_PATCHSET: patchset } = params;
  return { job, number, uuid, pipeline, project, change, patchset, node: node.name, params };
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
  for (const [name, value] of Object.entries(action.params).sort(([a], [b]) => (a < b ? -1 : 1))) {
    await console.say(`${name}=${value}`, begunAt);
  }
}
