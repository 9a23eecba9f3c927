import type { Command } from 'commander';
import { start } from './commands/start.ts';
import type { Role } from './house.ts';

/** `stackgate server|scheduler|worker|launcher`: one role in this process, others elsewhere (docs/scaling.md). */
export function addRoles(main: Command, end: (code: number) => void): void {
  const role = (command: Command, name: Role) =>
    command
      .option(
        '--config <file>',
        'site file (else $STACKGATE_CONFIG, ./stackgate.yaml, /etc/stackgate/stackgate.yaml)',
      )
      .addHelpText(
        'after',
        `\nNeeds database.url: all roles of a site share one PostgreSQL. docs/scaling.md tells what else they share.\n\nExample:\n  stackgate ${name} --config /etc/stackgate/stackgate.yaml`,
      )
      .action(async (options: { config?: string }) => end(await start(options.config, name)));

  role(main.command('server'), 'server').description('one role: pages, API, logs and git');
  role(main.command('scheduler'), 'scheduler').description(
    'one role: listens to Gerrit and plans; of several one leads, the next takes over within seconds',
  );
  role(main.command('worker'), 'worker').description('one role: asks Gerrit, merges, builds, reports');
  role(main.command('launcher'), 'launcher').description('one role: lends nodes and takes them back');
}
