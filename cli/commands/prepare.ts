import type { Command } from 'commander';
import type { z } from 'zod';
import {
  Preparations,
  type PreparationView,
  PreparedImages,
  PrepareStarted,
} from '../../server/contract/prepare.ts';
import { type Client, type ClientOptions, CommandError, connect } from '../client.ts';
import { duration, moment, printable, table } from '../text.ts';
import { ask } from './nodes.ts';

/** `stackgate node prepare LABEL`, and the images it made. */

interface Wish extends ClientOptions {
  readonly provider?: string;
  readonly snapshot: boolean;
  readonly keep: boolean;
  readonly detach: boolean;
  readonly json: boolean;
}

const POLL = 500;
/** ms that a server may be away, such as for a restart, before nobody waits for it any more. */
const PATIENCE = 120_000;

export function addPrepare(
  nodes: Command,
  remote: (command: Command) => Command,
  end: (code: number) => void,
): void {
  remote(nodes.command('prepare').alias('image-build'))
    .description(
      'lay repositories, downloads and what scripts install on machines of a label, before builds come',
    )
    .argument('<label>', 'a label of nodepool.yaml with `prepare:`')
    .option('--provider <name>', 'only there; else wherever the label is offered')
    .option('--no-snapshot', 'save no image: only try whether it works')
    .option('--keep', 'hold the machine afterwards, to look at it', false)
    .option('--detach', 'do not wait for the end', false)
    .option('--json', 'stable JSON instead of text', false)
    .addHelpText(
      'after',
      '\nMachines of a cloud: one is made of the base image, prepared, and saved as the image of new ones. Hosts that are always there are\nprepared in place, while no build runs on them.\n\nExamples:\n  stackgate node prepare jammy\n  stackgate node prepare jammy --provider lab --no-snapshot --keep\nCtrl-C stops watching; the work goes on.',
    )
    .action(async (label: string, options: Wish) =>
      end(await prepare(() => connect(options), label, options)),
    );
  remote(nodes.command('images').alias('image-list'))
    .description('prepared images')
    .option('--json', 'stable JSON instead of text', false)
    .action(async (options: ClientOptions & { json: boolean }) => {
      const page = await connect(options).get('/api/v1/images', PreparedImages);
      const rows = page.images.map(({ id, label, provider, name, base, at, state }) => [
        id,
        label,
        provider,
        name,
        base,
        moment(at),
        state.reason === undefined ? state.phase : `${state.phase}: ${state.reason}`,
      ]);
      const header = ['ID', 'LABEL', 'PROVIDER', 'IMAGE', 'BASE', 'MADE (UTC)', 'STATE'];
      process.stdout.write(`${options.json ? JSON.stringify(page) : printable(table(header, rows))}\n`);
      end(0);
    });
  remote(nodes.command('image-delete'))
    .description('delete a prepared image; its label uses the one before it, or its base image')
    .argument('<id>')
    .action(async (id: string, options: ClientOptions) => {
      await ask(connect(options), `/api/v1/images/${encodeURIComponent(id)}/delete`, {});
      end(0);
    });
}

async function prepare(server: () => Client, label: string, wish: Wish): Promise<number> {
  const { provider, snapshot, keep } = wish;
  const body = { label, snapshot, keep, ...(provider === undefined ? {} : { provider }) };
  const started = await server().post('/api/v1/prepare', body, PrepareStarted);
  for (const remark of started.remarks) process.stderr.write(`${printable(remark)}\n`);
  const ids = started.preparations.map(({ id }) => id);
  if (wish.detach) {
    process.stdout.write(`${wish.json ? JSON.stringify(started) : ids.join('\n')}\n`);
    return 0;
  }
  const ended = await follow(server, ids, (line) => process.stderr.write(`${line}\n`));
  if (wish.json) process.stdout.write(`${JSON.stringify({ preparations: ended })}\n`);
  else for (const each of ended) process.stdout.write(`${printable(sentence(each))}\n`);
  return ended.every(({ state }) => state.phase === 'done') ? 0 : 8;
}

/** Tells each line once, until all have ended; a server that is started again meanwhile is waited for. */
async function follow(
  server: () => Client,
  ids: readonly string[],
  tell: (line: string) => void,
): Promise<PreparationView[]> {
  const told = new Map<string, number>();
  let heard = Date.now();
  while (true) {
    const page = await look(server).catch((caught: unknown) => {
      const isAway = caught instanceof CommandError && (caught.exit === 5 || caught.exit === 9);
      if (!isAway || Date.now() - heard > PATIENCE) throw caught;
      return undefined;
    });
    if (page !== undefined) {
      heard = Date.now();
      const mine = page.preparations.filter(({ id }) => ids.includes(id));
      for (const each of mine) {
        for (const line of each.lines) {
          if (line.n <= (told.get(each.id) ?? 0)) continue;
          told.set(each.id, line.n);
          tell(printable(`${moment(line.at).slice(11)} ${each.host ?? each.provider} | ${line.text}`));
        }
      }
      if (mine.length < ids.length) throw new CommandError('the server knows nothing of it any more', 3);
      if (mine.every(({ until }) => until !== undefined)) return mine;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
}

/** Its address is looked for each time: a server that was started again may have another one. */
async function look(server: () => Client): Promise<z.infer<typeof Preparations>> {
  return await server().get('/api/v1/prepare', Preparations);
}

function sentence({ label, provider, host, state, at, until }: PreparationView): string {
  const where = `${label} at ${host ?? provider}`;
  const took = duration((until ?? at) - at);
  if (state.phase === 'failed') return `${where}: failed after ${took}: ${state.reason ?? ''}`;
  const image = state.image === undefined ? '' : `, image ${state.image}`;
  return `${where}: prepared in ${took}${image}`;
}
