#!/usr/bin/env node
import { Command, Option } from 'commander';
import { Accepted } from '../server/contract.ts';
import { type ClientOptions, CommandError, connect } from './client.ts';
import { listBuilds } from './commands/builds.ts';
import { doctor } from './commands/doctor.ts';
import { followConsole, printConsole } from './commands/log.ts';
import { addHolds } from './commands/nodeholds.ts';
import { addNodes } from './commands/nodes.ts';
import { addNodeShell } from './commands/nodeshell.ts';
import { addPrepare } from './commands/prepare.ts';
import { runJob } from './commands/run.ts';
import { start } from './commands/start.ts';
import { showStatus } from './commands/status.ts';
import { validate } from './commands/validate.ts';
import { addExplain, addShow, addSimulate } from './dryrun.ts';
import { addRoles } from './roles.ts';
import { printable } from './text.ts';
import { addImport, addJobs, addReload, addSchema, addSecret, addToken } from './tools.ts';
import { version } from './version.ts';

/** The command line: every command is a function that answers its exit code. */

const EXIT_CODES = `
Exit codes: 0 success · 1 build failed or errors found · 2 usage · 3 not found · 4 no permission · 5 no server
            6 timed out · 7 stopped · 8 infrastructure · 9 conflict · 130 interrupted`;

/** Scripts written for zuul and zuul-client name these; there is one tenant, and a change comes from its pipeline's source. */
function compatible(command: Command): Command {
  return command.option('--tenant <name>', 'ignored').option('--trigger <name>', 'ignored');
}

function program(): Command {
  const main = new Command('stackgate')
    .description('Third-party CI for Gerrit: a patch goes in, a test runs, a vote comes out.')
    .version(version())
    .showHelpAfterError('(--help shows what is possible)')
    .addHelpText('after', EXIT_CODES);
  const remote = (command: Command) =>
    command
      .option('--url <url>', 'server to talk to (else $STACKGATE_URL, else the running server of the site)')
      .option(
        '--token <token>',
        'token for actions (else $STACKGATE_TOKEN, else the one in the data directory)',
      )
      .option(
        '--config <file>',
        'site file (else $STACKGATE_CONFIG, ./stackgate.yaml, /etc/stackgate/stackgate.yaml)',
      );
  const json = () => new Option('--json', 'stable JSON instead of text').default(false);

  main
    .command('start')
    .description('run everything in this process: stream, scheduler, workers, web server')
    .option(
      '--config <file>',
      'site file (else $STACKGATE_CONFIG, ./stackgate.yaml, /etc/stackgate/stackgate.yaml)',
    )
    .addHelpText(
      'after',
      '\nSIGHUP reloads layout, jobs and nodepool.yaml; SIGTERM stops and leaves builds running, the next start finds them.\n\nExample:\n  stackgate start --config /etc/stackgate/stackgate.yaml',
    )
    .action(async (options: { config?: string }) => end(await start(options.config)));
  addRoles(main, end);

  remote(main.command('run'))
    .description('run one job now, watch its console, exit with its result')
    .argument('<job>', 'name of a job')
    .option('--change <number,patchset>', 'change to test; without a patchset the current one')
    .option('--param <name=value>', 'environment of the job, may be given again', collect, [])
    .option(
      '--param-file <name=path>',
      'the same with the content of a file (`-`: standard input): for passwords, which arguments would show',
      collect,
      [],
    )
    .option('--vote', 'report to Gerrit as the pipeline that runs this job would', false)
    .option('--detach', 'print the id of the run and do not wait', false)
    .addOption(json())
    .addHelpText(
      'after',
      '\nExamples:\n  stackgate run noop-check-communication\n  stackgate run dsvm-tempest-full --change 1234,5 --param TEMPEST_CONCURRENCY=2\n  stackgate run array-check --param-file ARRAY_PASSWORD=/root/array\nCtrl-C stops watching; the build goes on.',
    )
    .action(
      async (
        job: string,
        options: ClientOptions & {
          change?: string;
          param: string[];
          paramFile: string[];
          vote: boolean;
          detach: boolean;
          json: boolean;
        },
      ) => end(await runJob(connect(options), job, options)),
    );

  remote(main.command('status'))
    .description('pipelines, queues and running builds')
    .addOption(json())
    .action(async (options: ClientOptions & { json: boolean }) =>
      end(await showStatus(connect(options), options.json)),
    );

  remote(main.command('builds'))
    .description('builds, newest first')
    .option('--job <name>')
    .option('--project <name>')
    .option('--pipeline <name>')
    .option('--change <number[,patchset]>')
    .option('--result <word>', 'SUCCESS, FAILURE, ...')
    .option('--limit <n>', 'at most so many', '50')
    .addOption(json())
    .addHelpText(
      'after',
      '\nExample:\n  stackgate builds --job dsvm-tempest-full --result FAILURE --limit 10',
    )
    .action(
      async (
        options: ClientOptions & {
          json: boolean;
          job?: string;
          project?: string;
          pipeline?: string;
          change?: string;
          result?: string;
          limit: string;
        },
      ) => {
        const { job, project, pipeline, change, result } = options;
        const query = Object.fromEntries(
          Object.entries({ job, project, pipeline, change, result, limit: Number(options.limit) }).filter(
            ([, value]) => value !== undefined,
          ),
        );
        end(await listBuilds(connect(options), query, options.json));
      },
    );

  remote(main.command('log'))
    .description('console of a build')
    .argument('<build>', 'UUID, or its first digits')
    .option('-f, --follow', 'stay until it ends', false)
    .action(async (build: string, options: ClientOptions & { follow: boolean }) => {
      const client = connect(options);
      if (options.follow) await followConsole(client, build);
      else await printConsole(client, build);
      end(0);
    });

  remote(main.command('cancel'))
    .description('stop a build')
    .argument('<build>', 'UUID, or its first digits')
    .action(async (build: string, options: ClientOptions) => {
      await connect(options).post(`/api/v1/builds/${encodeURIComponent(build)}/cancel`, {}, Accepted);
      end(0);
    });

  const ask =
    (path: string, body: (options: Record<string, unknown>) => unknown) =>
    async (options: ClientOptions & Record<string, unknown>) => {
      const accepted = await connect(options).post(path, body(options), Accepted);
      process.stdout.write(`${printable(accepted.note ?? `accepted as ${accepted.id}`)}\n`);
      end(0);
    };
  compatible(remote(main.command('enqueue')))
    .description('put a change into a pipeline, whatever its triggers and requirements say')
    .requiredOption('--pipeline <name>')
    .requiredOption('--project <name>')
    .requiredOption('--change <number,patchset>')
    .action(ask('/api/v1/enqueue', ({ pipeline, project, change }) => ({ pipeline, project, change })));
  compatible(remote(main.command('enqueue-ref')))
    .description('put a ref into a pipeline')
    .requiredOption('--pipeline <name>')
    .requiredOption('--project <name>')
    .requiredOption('--ref <ref>')
    .option('--oldrev <sha>')
    .option('--newrev <sha>')
    .action(
      ask('/api/v1/enqueue-ref', ({ pipeline, project, ref, oldrev, newrev }) => ({
        pipeline,
        project,
        ref,
        oldrev,
        newrev,
      })),
    );
  compatible(remote(main.command('dequeue')))
    .description('take a change or a ref out of a pipeline')
    .requiredOption('--pipeline <name>')
    .requiredOption('--project <name>')
    .option('--change <number,patchset>')
    .option('--ref <ref>')
    .action(
      ask('/api/v1/dequeue', ({ pipeline, project, change, ref }) => ({ pipeline, project, change, ref })),
    );
  compatible(remote(main.command('promote')))
    .description('move changes to the head of their queue, in the order given')
    .requiredOption('--pipeline <name>')
    .requiredOption('--changes <number,patchset...>')
    .action(ask('/api/v1/promote', ({ pipeline, changes }) => ({ pipeline, changes })));

  addPrepare(addNodes(main, remote, end), remote, end);
  addHolds(main, remote, end);
  addNodeShell(main, remote, end);
  addExplain(main, end);
  addSimulate(main, end);
  addReload(remote(main.command('reload')), end);
  addImport(main, end);
  addSchema(main, end);
  addJobs(main, end);
  addSecret(main, end);
  addToken(main, end);

  main
    .command('doctor')
    .description(
      'what is in the way of the first vote: this machine, servers, Gerrit, projects; changes nothing',
    )
    .argument('[file]', 'site file (else $STACKGATE_CONFIG, ./stackgate.yaml, /etc/stackgate/stackgate.yaml)')
    .addOption(json())
    .addHelpText(
      'after',
      '\nRun it as the account that Stackgate runs as.\n\nExamples:\n  stackgate doctor\n  sudo -u stackgate stackgate doctor /etc/stackgate/stackgate.yaml --json',
    )
    .action(async (file: string | undefined, options: { json: boolean }) => end(await doctor(file, options)));
  const config = main.command('config').description('the configuration of a site');
  config
    .command('validate')
    .description('check site file, layout and jobs; print every problem with file, line and column')
    .argument('[file]', 'site file (else $STACKGATE_CONFIG, ./stackgate.yaml, /etc/stackgate/stackgate.yaml)')
    .addOption(json())
    .option(
      '--from <dir>',
      'read layout and jobs from this directory, such as a clone of the data repository',
    )
    .action((file: string | undefined, options: { json: boolean; from?: string }) =>
      end(validate(file, options)),
    );
  addShow(config, end);
  return main;
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function end(code: number): void {
  process.exitCode = code;
}

try {
  await program().parseAsync();
} catch (caught) {
  if (!(caught instanceof CommandError)) throw caught;
  process.stderr.write(
    `stackgate: ${printable(caught.message)}\n${caught.hint === undefined ? '' : `  ${printable(caught.hint)}\n`}`,
  );
  process.exitCode = caught.exit;
}
