import { pino } from 'pino';
import { isError, renderProblems } from '../../jobs/problem.ts';
import { diffLayouts, renderDiff, summarizeDiff } from '../../pipelines/layout/diff.ts';
import { createMemory } from '../../pipelines/layout/memory.ts';
import { ownProcess, runParts } from '../../workers/runtime.ts';
import { compose, type Process } from '../compose.ts';
import { comparedOf, readConfig } from '../config.ts';
import { readSite, siteFile } from '../site.ts';
import { version } from '../version.ts';

/** Lines of a difference in the log; `stackgate config diff` shows all. */
const MOST_LOGGED = 100;

/** `stackgate start` and its roles, until the process is told to stop. Answers the exit code. */
export async function start(named: string | undefined, what: Process = 'start'): Promise<number> {
  const file = siteFile(named);
  const read = readSite(file);
  const memory = createMemory();
  const config = read.site === undefined ? undefined : readConfig(read.site, read.base, memory);
  const problems = [...read.problems, ...(config?.problems ?? [])];
  if (problems.length > 0)
    process.stderr.write(`${renderProblems(problems, [...read.sources, ...(config?.sources ?? [])])}\n`);
  if (read.site === undefined || config?.config === undefined) {
    process.stderr.write(
      `stackgate: not started, ${problems.filter(isError).length} errors in the configuration\n`,
    );
    return 1;
  }
  if (what !== 'start' && read.site.database === undefined) {
    process.stderr.write(
      `stackgate: ${what} needs \`database.url\` in ${file}: roles in processes of their own share a PostgreSQL server\n  \`stackgate start\` runs every role in one process and needs none\n`,
    );
    return 1;
  }
  const log = pino({
    level: process.env['LOG_LEVEL'] ?? 'info',
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
  });
  const say = (line: string) => log.info(line);
  const signal = ownProcess(
    (line) => log.error(line),
    (code) => process.exit(code),
  );
  const { site, base } = read;
  const composition = compose(site, base, config.config, version(), log, what);
  composition.read({ at: Date.now(), taken: true, problems });
  let inForce = config.config;
  const plans = what === 'start' || what === 'scheduler';
  process.on('SIGHUP', () => void (plans ? reload() : undefined));

  /** Validated first; with a single error the old configuration stays in force. */
  async function reload(): Promise<void> {
    const again = readConfig(site, base, memory);
    composition.read({ at: Date.now(), taken: again.config !== undefined, problems: again.problems });
    if (again.problems.length > 0) process.stderr.write(`${renderProblems(again.problems, again.sources)}\n`);
    if (again.config === undefined) {
      log.error(
        { errors: again.problems.filter(isError).length },
        'reload refused: the old configuration stays in force',
      );
      return;
    }
    const changed = await composition.configure(again.config).catch((caught: unknown) => {
      log.error({ err: caught }, 'reload failed: the old configuration stays in force');
    });
    if (changed === undefined) return;
    const diff = diffLayouts(comparedOf(inForce), comparedOf(again.config));
    inForce = again.config;
    log.info({ changes: renderDiff(diff).slice(0, MOST_LOGGED) }, `reloaded: ${summarizeDiff(diff)}`);
  }

  const code = await runParts(composition.parts, { signal, log: say });
  // Everything is closed or was given up on; whatever still holds the process must not keep it.
  setTimeout(() => process.exit(code), 1_000).unref();
  return code;
}
