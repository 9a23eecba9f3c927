import { type Command, Option } from 'commander';
import { type ExplainOptions, explain } from './commands/explain.ts';
import { type DiffOptions, diff, type ShowOptions, show } from './commands/show.ts';

import { type SimulateOptions, simulate } from './commands/simulate.ts';

/** Commands that change nothing: what would happen, and what is configured. */

type End = (code: number) => void;

const collect = (value: string, before: string[]) => [...before, value];
const json = () => new Option('--json', 'stable JSON instead of text').default(false);

/** Where the configuration comes from. */
function configured(command: Command): Command {
  return command
    .option(
      '--config <file>',
      'site file (else $STACKGATE_CONFIG, ./stackgate.yaml, /etc/stackgate/stackgate.yaml)',
    )
    .option('--layout <file>', 'a layout file alone, without a site')
    .option(
      '--connection <name=driver>',
      'with --layout: a connection that it speaks of (drivers gerrit, smtp, sql); may be given again',
      collect,
      [],
    );
}

export function addExplain(main: Command, end: End): void {
  configured(main.command('explain'))
    .description('why a change or an event is or is not tested: pipelines, jobs, and the rules that decide')
    .argument('[change]', 'NUMBER or NUMBER,PATCHSET: the running server asks Gerrit about it')
    .option('--comment <text>', 'suppose that somebody writes this')
    .option('--vote <label=value>', 'suppose that somebody votes this; may be given again', collect, [])
    .option('--event <type|file>', 'suppose an event: a type, or a file with the line of stream-events')
    .option('--user <name>', 'who writes, votes or acts')
    .option('--email <address>', 'their e-mail address')
    .option('--project <name>', 'describe the change instead: its project')
    .option('--branch <name>', 'its branch (else master)')
    .option('--files <a,b>', 'the files it touches')
    .option('--change-file <file>', 'the change as `gerrit query --format JSON` prints it; - is stdin')
    .option('--all', 'show the jobs of pipelines that say no, too', false)
    .option('--url <url>', 'server to talk to (else $STACKGATE_URL, else the running server of the site)')
    .option('--token <token>', 'token (else $STACKGATE_TOKEN, else the one in the data directory)')
    .addOption(json())
    .addHelpText(
      'after',
      `
Every line begins with + (yes) or - (no) and ends with the place of the rule that decided.

Examples:
  stackgate explain 1234,5                                     ask the running server
  stackgate explain 1234 --comment recheck --user jane         would her comment start anything?
  stackgate explain 1234 --vote Workflow=+1 --user jane        would her vote?
  stackgate explain --layout layout.yaml --project openstack/nova --branch master --files nova/api.py
  stackgate explain --layout layout.yaml --event event.json    a line of gerrit stream-events
  ssh -p 29418 HOST gerrit query --format JSON --current-patch-set --files --submit-records change:1234 |
    stackgate explain --layout layout.yaml --change-file -`,
    )
    .action(async (change: string | undefined, options: ExplainOptions) =>
      end(await explain(change, options)),
    );
}

export function addShow(config: Command, end: End): void {
  configured(config.command('show'))
    .description('the configuration as the scheduler has it, after templates and metajobs')
    .option('--project <name>', 'only this project: its pipelines with their job trees')
    .option('--job <name>', 'only this job: what it is, and the entries and metajobs that made it so')
    .addOption(json())
    .addHelpText(
      'after',
      `
Examples:
  stackgate config show
  stackgate config show --layout layout.yaml --project openstack/nova
  stackgate config show --layout layout.yaml --job gate-nova-python27 --json`,
    )
    .action((options: ShowOptions) => end(show(options)));
  configured(config.command('diff'))
    .description('what another configuration would change: pipelines, jobs, projects')
    .argument('<other>', 'a site file, or a layout (read with the connections of this site)')
    .option('--exit-code', 'end with 1 when they differ', false)
    .addOption(json())
    .addHelpText(
      'after',
      `
Lines begin with + (new), - (gone) or ~ (different).

Examples:
  stackgate config diff proposed/layout.yaml
  stackgate config diff --layout layout.yaml proposed/layout.yaml --exit-code`,
    )
    .action((other: string, options: DiffOptions) => end(diff(other, options)));
}

export function addSimulate(main: Command, end: End): void {
  configured(main.command('simulate'))
    .description('what a layout would have made of recorded events: launches, votes, queues, nodes')
    .argument(
      '[events]',
      "file of lines as `gerrit stream-events` prints them; - is stdin; else the server's ledger",
    )
    .option('--since <time>', 'without a file: how far back, 12h or 7d', '7d')
    .option('--url <url>', 'server to talk to (else $STACKGATE_URL, else the running server of the site)')
    .option('--token <token>', 'token (else $STACKGATE_TOKEN, else the one in the data directory)')
    .option('--user <name>', "our own account, whose doing in the record is left out (else the site's)")
    .option('--nodes <n>', 'so many nodes (else as many as are wanted)')
    .option('--default-time <seconds>', 'how long a build takes', '600')
    .option('--job-time <name=seconds>', 'how long this one takes; * stands for anything', collect, [])
    .option('--fail <job[=rate]>', 'let this job fail, always or at a rate from 0 to 1', collect, [])
    .option('--seed <word>', 'another draw of failures', '1')
    .option(
      '--file-filters',
      'apply files, irrelevant-files and skip-if although events name no files',
      false,
    )
    .option('--summary', 'leave the timeline out', false)
    .addOption(json())
    .addHelpText(
      'after',
      `
Times are those of the events; a look at a change and a merge take no time, and every merge succeeds.

Examples:
  ssh -p 29418 HOST gerrit stream-events > events.json
  stackgate simulate --since 7d --nodes 4                  what the running server wrote down
  stackgate simulate events.json
  stackgate simulate events.json --layout proposed.yaml --nodes 20 --job-time '*tempest*=5400' --summary
  stackgate simulate events.json --fail 'gate-tempest-full=0.1' --json`,
    )
    .action(async (events: string | undefined, options: SimulateOptions) =>
      end(await simulate(events, options)),
    );
}
