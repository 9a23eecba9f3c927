import type { Command } from 'commander';
import { PoolHolds } from '../../server/contract/nodes.ts';
import { type ClientOptions, connect } from '../client.ts';
import { moment, printable, table } from '../text.ts';
import { ask } from './nodes.ts';
import { millis } from './span.ts';

/** `stackgate hold ...`, and under zuul-client's names `autohold`, `autohold-list`, `autohold-delete`. */

interface Wish extends ClientOptions {
  readonly project: string;
  readonly job: string;
  readonly change?: string;
  readonly ref?: string;
  readonly reason: string;
  readonly count: string;
  readonly expires?: string;
  readonly nodeHoldExpiration?: string;
}

export function addHolds(
  main: Command,
  remote: (command: Command) => Command,
  end: (code: number) => void,
): void {
  const hold = main.command('hold').description('keep the nodes of builds that fail, to look at them');
  const add = (command: Command) =>
    remote(command)
      .description('keep the nodes of the next build of a job that fails')
      .requiredOption('--project <name>')
      .requiredOption('--job <name>')
      .option('--change <number[,patchset]>', 'only for this change')
      .option('--ref <ref>', 'only for this ref')
      .requiredOption('--reason <text>', 'why, for the others')
      .option('--count <n>', 'how many builds', '1')
      .option('--expires <time>', 'delete kept nodes after this time, such as 24h')
      .option('--node-hold-expiration <seconds>', 'the same, as zuul-client has it')
      .addHelpText(
        'after',
        '\nExample:\n  stackgate hold add --project openstack/neutron --job dvr-ha --reason "flaky snat" --expires 24h',
      )
      .action(async (wish: Wish) => {
        const expires = wish.expires ?? wish.nodeHoldExpiration;
        await ask(connect(wish), '/api/v1/autohold', {
          project: wish.project,
          job: wish.job,
          change: wish.change,
          ref: wish.ref,
          reason: wish.reason,
          count: Number(wish.count),
          nodeExpiration: expires === undefined ? undefined : millis('--expires', expires),
        });
        end(0);
      });
  const list = (command: Command) =>
    remote(command)
      .description('holds, and how many builds they have caught')
      .option('--json', 'stable JSON instead of text', false)
      .action(async (options: ClientOptions & { json: boolean }) => {
        const page = await connect(options).get('/api/v1/holds', PoolHolds);
        const rows = page.holds.map((each) => [
          each.id,
          each.project,
          each.job,
          each.change ?? each.ref ?? 'any',
          `${each.caught}/${each.count}`,
          moment(each.at),
          each.reason,
        ]);
        const header = ['ID', 'PROJECT', 'JOB', 'CHANGE', 'CAUGHT', 'SINCE (UTC)', 'REASON'];
        const text = rows.length === 0 ? 'no holds' : printable(table(header, rows));
        process.stdout.write(`${options.json ? JSON.stringify(page) : text}\n`);
        end(0);
      });
  const remove = (command: Command) =>
    remote(command)
      .description('end a hold; the nodes it caught go back')
      .argument('<id>')
      .action(async (id: string, options: ClientOptions) => {
        await ask(connect(options), `/api/v1/autohold/${encodeURIComponent(id)}/delete`, {});
        end(0);
      });
  add(hold.command('add'));
  list(hold.command('list', { isDefault: true }));
  remove(hold.command('delete'));
  add(main.command('autohold', { hidden: true }));
  list(main.command('autohold-list', { hidden: true }));
  remove(main.command('autohold-delete', { hidden: true }));
}
