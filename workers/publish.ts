import { planSteps } from '../jobs/script.ts';
import type { CollectedFile, LogFolder, ShellBuild, ShellExit } from '../pipelines/ports.ts';
import type { BuildConsole } from './console.ts';
import { crashpoint } from './crashpoint.ts';
import type { WaitsFor } from './held.ts';
import { lifeOf } from './life.ts';
import type { Publishing } from './publishers/publishing.ts';
import { redacted } from './redact.ts';
import { type Verdict, worse } from './results/classify.ts';
import { followSteps } from './run.ts';
import { shellStep } from './steps.ts';
import { settledSteps } from './waits.ts';

/** What the publishers of one build share. */

export interface PublishingOptions extends WaitsFor {
  readonly folder: LogFolder;
  readonly console: BuildConsole;
  readonly exit: ShellExit;
  readonly url: string;
  readonly verdict: Verdict;
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string>>;
  /** Texts that no file of the build may show. */
  readonly hidden: readonly string[];
  readonly main: ShellBuild;
}

/** ms that the steps after a build may take. */
const afterLimit = 30 * 60 * 1000;

export function openPublishing(
  options: PublishingOptions,
): Publishing & { notes(): Readonly<Record<string, unknown>> } {
  const { action, folder, console, exit, url, env, signal, shell, effects, hidden } = options;
  const notes: Record<string, unknown> = {};
  let { verdict } = options;
  let clock = exit.finishedAt;

  async function once<T>(
    name: string,
    schema: { safeParse(value: unknown): { data?: T | undefined } },
    work: () => Promise<T>,
  ): Promise<T> {
    const id = `${action.id}.${name}`;
    const known = schema.safeParse(await effects.effect(id)).data;
    if (known !== undefined) return known;
    const answer = await work();
    await effects.saveEffect(id, answer);
    return answer;
  }

  async function after(name: string, builders: Parameters<Publishing['after']>[1]): Promise<ShellExit> {
    const { repositories: _, ...main } = options.main;
    const steps = planSteps(builders);
    const build = `${action.id}.${name}`;
    const status = { STACKGATE_STATUS: verdict.result, BUILD_RESULT: verdict.result };
    crashpoint('build.after.before');
    await shell.start(
      {
        ...main,
        build,
        within: action.id,
        steps: steps.map(shellStep),
        env: { ...main.env, ...status },
        timeout: afterLimit,
      },
      signal,
    );
    crashpoint('build.after.after');
    const life = lifeOf(shell, build, signal);
    life.started();
    try {
      const waits = { ...options, build, steps };
      const ended = await followSteps(waits, console, life.signal);
      await life.stopped();
      clock = ended.finishedAt;
      for (const { result, message } of await settledSteps(waits))
        if (result !== undefined) verdict = worse(verdict, result, message);
      return ended;
    } finally {
      life.end();
    }
  }

  return {
    action,
    folder,
    exit,
    url,
    env,
    signal,
    verdict: () => verdict,
    worsen(result, detail) {
      verdict = worse(verdict, result, detail);
    },
    replace(other) {
      verdict = other;
    },
    say: async (text) => await console.say(text, clock),
    note(name, value) {
      const before = notes[name];
      notes[name] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
    },
    notes: () => notes,
    collect: (include, exclude) => masked(shell.collect(action.id, include, exclude, signal), hidden),
    async *console() {
      await console.written();
      yield* folder.consoleText();
    },
    once,
    after,
  };
}

async function* masked(
  files: AsyncIterable<CollectedFile>,
  hidden: readonly string[],
): AsyncIterable<CollectedFile> {
  for await (const file of files) {
    yield hidden.length === 0 ? file : { ...file, content: redacted(file.content, hidden) };
  }
}
