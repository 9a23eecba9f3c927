import type { Command } from 'commander';
import { z } from 'zod';
import {
  NodeRequests,
  PoolAnswer,
  PoolLabels,
  PoolNodes,
  type PoolNodeView,
  PoolProviders,
} from '../../server/contract/nodes.ts';
import { type Client, type ClientOptions, CommandError, connect } from '../client.ts';
import { duration, printable, table } from '../text.ts';
import { millis } from './span.ts';

/** `stackgate nodes ...`, `labels`, `providers`, `requests`: the pool, under Nodepool's command names. */

type Remote = (command: Command) => Command;
type End = (code: number) => void;
type Asked = ClientOptions & { readonly json?: boolean };

/** Answers `nodes`, for what others add to it. */
export function addNodes(main: Command, remote: Remote, end: End): Command {
  const nodes = main
    .command('nodes')
    .alias('node')
    .description('machines of the pool, what they do, and what to do with them');
  const json = (command: Command) => remote(command).option('--json', 'stable JSON instead of text', false);

  const list = (command: Command) =>
    json(command)
      .description('nodes, the oldest first')
      .option('--detail', 'also addresses, zone, build and reason', false)
      .action(async (options: Asked & { detail: boolean }) => {
        const page = await connect(options).get('/api/v1/nodes', PoolNodes);
        say(options.json === true ? JSON.stringify(page) : nodeTable(page.nodes, options.detail));
        end(0);
      });
  list(nodes.command('list', { isDefault: true }));
  list(main.command('node-list', { hidden: true }));
  remote(nodes.command('hold'))
    .description('keep a node with everything on it; one that runs a build is kept when that ends')
    .argument('<id>')
    .requiredOption('--reason <text>', 'why, for the others')
    .option('--expires <time>', 'delete it after this time, such as 24h')
    .addHelpText('after', '\nExample:\n  stackgate nodes hold 12 --reason "look at br-ex" --expires 24h')
    .action(async (id: string, options: ClientOptions & { reason: string; expires?: string }) => {
      const expires = options.expires === undefined ? {} : { expires: millis('--expires', options.expires) };
      await ask(connect(options), `/api/v1/nodes/${number(id)}/hold`, { reason: options.reason, ...expires });
      end(0);
    });
  remote(nodes.command('release'))
    .description('give a held node back: it is deleted, or cleaned where it stays')
    .argument('<id>')
    .action(async (id: string, options: ClientOptions) => {
      await ask(connect(options), `/api/v1/nodes/${number(id)}/release`, {});
      end(0);
    });
  remote(nodes.command('delete'))
    .description('delete a node')
    .argument('<id>')
    .option('--now', 'also under a running build, which is lost and run again', false)
    .action(async (id: string, options: ClientOptions & { now: boolean }) => {
      await ask(connect(options), `/api/v1/nodes/${number(id)}/delete`, { now: options.now });
      end(0);
    });
  remote(nodes.command('offline'))
    .description('give a provider, or one host of it, no new builds; what runs there ends first')
    .argument('<provider[/host]>')
    .requiredOption('--reason <text>', 'why, for the others')
    .action(async (place: string, options: ClientOptions & { reason: string }) => {
      await ask(connect(options), '/api/v1/offline', { ...placeOf(place), reason: options.reason });
      end(0);
    });
  remote(nodes.command('online'))
    .description('give it builds again; places in quarantine are cleaned once more')
    .argument('<provider[/host]>')
    .action(async (place: string, options: ClientOptions) => {
      await ask(connect(options), '/api/v1/online', placeOf(place));
      end(0);
    });

  json(main.command('labels').alias('label-list'))
    .description('labels, where they are made and how many nodes they have')
    .action(async (options: Asked) => {
      const page = await connect(options).get('/api/v1/labels', PoolLabels);
      const rows = page.labels.map((label) => [
        label.name,
        label.providers.join(' ') || '-',
        `${label.ready}/${label.minReady}`,
        `${label.building}`,
        `${label.inUse}`,
        `${label.waiting}`,
      ]);
      const header = ['LABEL', 'PROVIDERS', 'READY/MIN', 'BUILDING', 'IN USE', 'WAITING'];
      const text = rows.length === 0 ? 'no labels: nodepool.yaml defines none' : table(header, rows);
      say(options.json === true ? JSON.stringify(page) : text);
      end(0);
    });
  json(main.command('providers').alias('info'))
    .description('providers, how full they are, and what of them is offline')
    .action(async (options: Asked) => {
      const page = await connect(options).get('/api/v1/providers', PoolProviders);
      const rows = page.providers.map(({ name, driver, nodes: count, limit, offline, hosts }) => {
        const out = hosts
          .filter((host) => host.offline !== null)
          .map((host) => `${host.name}: offline: ${host.offline}`);
        const state =
          offline === null ? (out.length === 0 ? 'online' : out.join('; ')) : `offline: ${offline}`;
        return [name, driver, limit === null ? `${count}` : `${count}/${limit}`, state];
      });
      const text = rows.length === 0 ? 'no providers' : table(['PROVIDER', 'DRIVER', 'NODES', 'STATE'], rows);
      say(options.json === true ? JSON.stringify(page) : text);
      end(0);
    });
  json(main.command('requests').alias('request-list'))
    .description('who wants nodes, and why it waits')
    .action(async (options: Asked) => {
      const page = await connect(options).get('/api/v1/node-requests', NodeRequests);
      const rows = page.requests.map((request) => [
        request.job,
        request.label === '' ? '(any)' : request.label,
        request.precedence,
        request.state,
        duration(Date.now() - request.since),
        request.why ?? (request.nodes.join(' ') || '-'),
      ]);
      const header = ['JOB', 'LABEL', 'PRECEDENCE', 'STATE', 'SINCE', 'WHY, OR NODES'];
      const text = rows.length === 0 ? 'nobody waits for nodes or has any' : table(header, rows);
      say(options.json === true ? JSON.stringify(page) : text);
      end(0);
    });
  return nodes;
}

function nodeTable(nodes: readonly PoolNodeView[], detail: boolean): string {
  const header = ['ID', 'PROVIDER', 'LABEL', 'MACHINE', 'ADDRESS', 'STATE', 'AGE'];
  const more = ['PRIVATE', 'ZONE', 'JOB', 'REASON'];
  const rows = nodes.map((node) => [
    node.id,
    node.provider,
    node.label,
    node.machine ?? '-',
    node.address ?? '-',
    node.state,
    duration(Date.now() - node.stateAt),
    ...(detail ? [node.privateAddress ?? '-', node.zone ?? '-', node.job ?? '-', node.reason ?? '-'] : []),
  ]);
  return rows.length === 0 ? 'no nodes' : table(detail ? [...header, ...more] : header, rows);
}

export async function ask(client: Client, path: string, body: unknown): Promise<void> {
  say((await client.post(path, body, PoolAnswer)).note);
}

function say(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

function number(id: string): string {
  if (
    z
      .string()
      .regex(/^\d{1,10}$/)
      .safeParse(id).success
  )
    return id;
  throw new CommandError(`${id} is no number of a node`, 2, '`stackgate nodes` lists them');
}

function placeOf(text: string): { provider: string; host?: string } {
  const [provider = '', ...rest] = text.split('/');
  return rest.length === 0 ? { provider } : { provider, host: rest.join('/') };
}
