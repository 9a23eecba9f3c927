import { type Command, Option } from 'commander';
import { type ClientOptions, connect } from './client.ts';
import { importSite } from './commands/import.ts';
import { graphJobs, listJobs, showJob, testJobs } from './commands/jobs.ts';
import { reload } from './commands/reload.ts';
import { schema } from './commands/schema.ts';
import { checkSecrets, listSecrets, removeSecret, setSecret } from './commands/secret.ts';
import { makeToken } from './commands/token.ts';

/** Commands around the files of a site: its jobs, its secrets, its tokens. */

const json = () => new Option('--json', 'stable JSON instead of text').default(false);

const site = (command: Command) =>
  command.option(
    '--config <file>',
    'site file (else $STACKGATE_CONFIG, ./stackgate.yaml, /etc/stackgate/stackgate.yaml)',
  );

type End = (code: number) => void;

export function addJobs(main: Command, end: End): void {
  const jobs = main.command('jobs').description('what the job files of a site make; no server is needed');
  site(jobs.command('list'))
    .description('every job, where it runs and who runs it')
    .argument('[name...]', 'names, `*` for any characters')
    .option('--unused', 'only jobs that no pipeline runs', false)
    .addOption(json())
    .addHelpText('after', "\nExample:\n  stackgate jobs list 'gate-*-dsvm-*' --unused")
    .action((names: string[], options: { config?: string; unused: boolean; json: boolean }) =>
      end(listJobs(names, options)),
    );
  site(jobs.command('show'))
    .description('one job with every template and macro replaced')
    .argument('<name>', 'name of a job')
    .option('--raw', 'as Jenkins Job Builder would hand it to Jenkins', false)
    .addOption(json())
    .action((name: string, options: { config?: string; raw: boolean; json: boolean }) =>
      end(showJob(name, options)),
    );
  site(jobs.command('test'))
    .description('write every expanded job to a file of its own, as `jenkins-jobs test` does')
    .argument('[name...]', 'names, `*` for any characters')
    .option('-o, --output <dir>', 'directory for the files; without it they are printed')
    .addHelpText(
      'after',
      '\nExample, what an edit changes:\n  stackgate jobs test -o before; edit; stackgate jobs test -o after; diff -r before after',
    )
    .action((names: string[], options: { config?: string; output?: string }) =>
      end(testJobs(names, options)),
    );
  site(jobs.command('graph'))
    .description('which job waits for which, for Graphviz')
    .option('--project <name>')
    .option('--pipeline <name>')
    .addOption(json())
    .addHelpText(
      'after',
      '\nExample:\n  stackgate jobs graph --project openstack/cinder | dot -Tsvg > jobs.svg',
    )
    .action((options: { config?: string; project?: string; pipeline?: string; json: boolean }) =>
      end(graphJobs(options)),
    );
}

export function addSecret(main: Command, end: End): void {
  const secret = main.command('secret').description('secrets of a site; values are never shown');
  site(secret.command('set'))
    .description('put a secret into the encrypted file, from standard input or typed unseen')
    .argument('<name>', 'the name jobs use')
    .option('--file <path>', 'take the content of a file')
    .addHelpText(
      'after',
      '\nExamples:\n  stackgate secret set wiki-token\n  stackgate secret set log-key --file id_ed25519',
    )
    .action(async (name: string, options: { config?: string; file?: string }) =>
      end(await setSecret(name, options)),
    );
  site(secret.command('remove'))
    .description('take a secret out of the encrypted file')
    .argument('<name>')
    .action(async (name: string, options: { config?: string }) => end(await removeSecret(name, options)));
  site(secret.command('list'))
    .description('names, where each lies, and who may have it')
    .addOption(json())
    .action(async (options: { config?: string; json: boolean }) => end(await listSecrets(options)));
  site(secret.command('check'))
    .description('read every secret once; look at modes, places and bindings')
    .action(async (options: { config?: string }) => end(await checkSecrets(options)));
}

export function addReload(command: Command, end: End): void {
  command
    .description('read layout and jobs again; with an error everything stays as it was')
    .addOption(json())
    .addHelpText(
      'after',
      '\nExit code 1: refused, and every problem is printed. SIGHUP does the same without an answer.\n\nExample:\n  git -C /etc/stackgate pull && stackgate reload',
    )
    .action(async (options: ClientOptions & { json: boolean }) =>
      end(await reload(connect(options), options.json)),
    );
}

export function addToken(main: Command, end: End): void {
  main
    .command('token')
    .description('make a token for somebody who may act; only its hash is kept, in the site file')
    .argument('<name>', 'who it is for: the ledger says who asked')
    .addHelpText('after', '\nExample:\n  stackgate token ann > ann.token')
    .action((name: string) => end(makeToken(name)));
}

export function addImport(main: Command, end: End): void {
  main
    .command('import')
    .description('make a site of a data repository of Zuul v2 and Jenkins, with a report of everything in it')
    .argument(
      '<dir>',
      'directory with vars.sh, layout.yaml, job files, nodepool.yaml, zuul.conf, as far as they are there',
    )
    .option('--to <dir>', 'the new site; nothing is ever overwritten', 'stackgate-site')
    .option('--dry-run', 'only print the report', false)
    .addOption(json())
    .addHelpText('after', '\nExample:\n  stackgate import ./os-ext-testing-data --to /etc/stackgate')
    .action((dir: string, options: { to: string; dryRun: boolean; json: boolean }) =>
      end(importSite(dir, options)),
    );
}

export function addSchema(main: Command, end: End): void {
  main
    .command('schema')
    .description(
      'JSON Schema for editors: of stackgate.yaml (site), layout.yaml (layout), native jobs (jobs)',
    )
    .argument('<site|layout|jobs>')
    .addHelpText(
      'after',
      '\nExample:\n  stackgate schema jobs > jobs.schema.json\n  # first line of a job file: # yaml-language-server: $schema=jobs.schema.json',
    )
    .action((name: string) => end(schema(name)));
}
