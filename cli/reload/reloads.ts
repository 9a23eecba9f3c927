import type { Logger } from 'pino';
import { isError, renderProblems } from '../../jobs/problem.ts';
import { diffPools } from '../../nodepool/config/diff.ts';
import { asFault } from '../../pipelines/fault.ts';
import { diffLayouts, isSame, renderDiff, summarizeDiff } from '../../pipelines/layout/diff.ts';
import type { SiteConfig } from '../../pipelines/ports.ts';
import type { ConfigProblems, ReloadOutcome } from '../../server/ports.ts';
import { comparedOf, readConfig } from '../config.ts';
import { storedPool } from '../nodepool.ts';
import { readSite } from '../site.ts';
import type { Opening } from './opening.ts';

/** What made us read again: SIGHUP, somebody with a token, a new commit. */
export type ReloadReason = 'signal' | 'request' | 'repository';

/** How the last reload ended; times in ms. */
export interface ReloadState {
  /** When what is in force took effect. */
  readonly since: number;
  readonly refused?: { readonly at: number; readonly why: string };
}

/**
 * Reads the configuration again: all of it is checked first, and takes effect in one transaction or not at all. One at a time,
 * in the order they were asked for.
 */
export interface Reloads {
  reload(reason: ReloadReason, signal: AbortSignal): Promise<ReloadOutcome>;
  state(): ReloadState;
}

/** Lines of a difference, and problems, in the log; `stackgate config diff` and `config validate` show all. */
const MOST_LOGGED = 100;

export interface ReloadHands {
  /** Puts a configuration in force. */
  readonly configure: (config: SiteConfig) => Promise<boolean>;
  /** Told what was wrong with the files, for people who look at the configuration. */
  readonly looked: (problems: ConfigProblems) => void;
  readonly log: Logger;
}

export function createReloads(opening: Opening, { configure, looked, log }: ReloadHands): Reloads {
  const { site, base, memory, repository } = opening;
  let inForce = opening.config;
  let commit = repository?.commit;
  /** A commit that was refused is not told of again by the next look. */
  let known = commit;
  let state: ReloadState = { since: Date.now() };
  let last: Promise<unknown> = Promise.resolve();

  async function run(reason: ReloadReason, signal: AbortSignal): Promise<ReloadOutcome> {
    const newest = await repository?.checkouts.fetch(signal);
    if (reason === 'repository' && newest === known) return { kind: 'same' };
    known = newest;
    const root = newest === undefined ? base : await repository?.checkouts.checkout(newest, signal);
    const read = readConfig(site, base, { memory, ...(root === undefined ? {} : { root }) });
    tellOfSite();
    looked({ at: Date.now(), taken: read.config !== undefined, problems: read.problems });
    if (read.config === undefined) {
      const errors = read.problems.filter(isError).length;
      return { kind: 'refused', errors, report: renderProblems(read.problems, read.sources) };
    }
    await configure(read.config);
    if (newest !== undefined) await repository?.checkouts.use(newest);
    const diff = diffLayouts(comparedOf(inForce), comparedOf(read.config));
    const pool = diffPools(storedPool(inForce).files, storedPool(read.config).files);
    inForce = read.config;
    commit = newest;
    const changes = [...renderDiff(diff), ...pool.changes];
    if (changes.length === 0) return { kind: 'same' };
    const parts = [...(isSame(diff) ? [] : [summarizeDiff(diff)]), pool.summary].filter(
      (part) => part !== '',
    );
    return { kind: 'applied', summary: parts.join(', '), changes };
  }

  /** Connections, nodes and the like are only read at the start; whoever changed them must know. */
  function tellOfSite(): void {
    const now = readSite(opening.file);
    if (now.site !== undefined && JSON.stringify(now.site) === JSON.stringify(site)) return;
    log.warn(
      { file: opening.file },
      'the site file changed: layout, jobs and nodepool.yaml are read again, it itself only at the next start',
    );
  }

  function tell(reason: ReloadReason, outcome: ReloadOutcome): void {
    const about = { reason, ...(known === undefined ? {} : { commit: known }) };
    const at = Date.now();
    switch (outcome.kind) {
      case 'applied':
        state = { since: at };
        log.info(
          { ...about, changes: outcome.changes.slice(0, MOST_LOGGED) },
          `reloaded: ${outcome.summary}`,
        );
        break;
      case 'same':
        state = { since: state.since };
        if (reason !== 'repository') log.info(about, 'reloaded: nothing changed');
        break;
      case 'refused': {
        const { errors, report } = outcome;
        const kept = commit === undefined ? '' : ` (commit ${commit.slice(0, 10)})`;
        state = { since: state.since, refused: { at, why: `${errors} errors` } };
        log.error(
          { ...about, errors, problems: report.split('\n').slice(0, MOST_LOGGED) },
          `reload refused: the old configuration${kept} stays in force`,
        );
        break;
      }
      case 'failed':
        state = { since: state.since, refused: { at, why: outcome.message } };
        log.error(
          { ...about, hint: outcome.hint },
          `reload failed, the old configuration stays in force: ${outcome.message}`,
        );
    }
  }

  return {
    reload(reason, signal) {
      const turn = last.then(async () => {
        const before = known;
        const outcome = await run(reason, signal).catch((caught: unknown): ReloadOutcome => {
          const { message, hint } = asFault(caught);
          // What could not be taken is taken by the next look.
          known = before;
          return { kind: 'failed', message, hint };
        });
        // A look that was cut off because the process ends is no news, nor is what the look before it said.
        const over =
          outcome.kind === 'failed' &&
          (signal.aborted || (reason === 'repository' && outcome.message === state.refused?.why));
        // The newest commit was refused before, and still is.
        const silent = outcome.kind === 'same' && reason === 'repository' && known !== commit;
        if (!over && !silent) tell(reason, outcome);
        return outcome;
      });
      last = turn;
      return turn;
    },
    state: () => state,
  };
}
