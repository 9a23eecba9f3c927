import { pino } from 'pino';
import { isError, renderProblems } from '../../jobs/problem.ts';
import { ownProcess, runParts } from '../../workers/runtime.ts';
import { compose, type Process } from '../compose.ts';
import { openSite } from '../reload/opening.ts';
import { siteFile } from '../site.ts';
import { printable } from '../text.ts';
import { version } from '../version.ts';

/** `stackgate start` and its roles, until the process is told to stop. Answers the exit code. */
export async function start(named: string | undefined, what: Process = 'start'): Promise<number> {
  const file = siteFile(named);
  const ending = new AbortController();
  const { read, opening, warnings } = await openSite(file, ending.signal);
  const { problems } = read;
  if (problems.length > 0) process.stderr.write(`${renderProblems(problems, read.sources)}\n`);
  for (const warning of warnings) process.stderr.write(`stackgate: ${printable(warning)}\n`);
  if (opening === undefined) {
    process.stderr.write(
      `stackgate: not started, ${problems.filter(isError).length} errors in the configuration\n`,
    );
    return 1;
  }
  if (what !== 'start' && opening.site.database === undefined) {
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
  const composition = compose(opening, version(), log, what);
  // What went wrong is in the log; nobody waits for an answer to a signal.
  process.on('SIGHUP', () => void composition.reload('signal', ending.signal));

  const code = await runParts(composition.parts, { signal, log: say });
  ending.abort();
  // Everything is closed or was given up on; whatever still holds the process must not keep it.
  setTimeout(() => process.exit(code), 1_000).unref();
  return code;
}
