import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { type Client, connect } from '../../cli/client.ts';
import { compose } from '../../cli/compose.ts';
import { openSite } from '../../cli/reload/opening.ts';
import { renderProblems } from '../../jobs/problem.ts';
import { HealthView } from '../../server/contract.ts';
import { runParts } from '../../workers/runtime.ts';
import { type Gerrit, startGerrit } from '../fakes/gerrit/server.ts';
import { type SiteSpec, writeSite } from './site.ts';

/** Stackgate as `stackgate start` composes it, in the test's own process, beside a simulated Gerrit: for stories. */
export interface Story extends Stackgate {
  readonly gerrit: Gerrit;
}

/** Stackgate alone. */
export interface Stackgate extends AsyncDisposable {
  readonly dir: string;
  readonly siteFile: string;
  /** The API with the operator's token. */
  readonly client: Client;
  /** Lines of its log, parsed. */
  log(): readonly { readonly msg: string; readonly [key: string]: unknown }[];
  /** Reads the files again, as SIGHUP does; what a person would see on stderr. */
  reload(): Promise<{ readonly changed: boolean; readonly problems: string }>;
  /** Stops it and starts it again on the same data. */
  restart(): Promise<void>;
}

export async function startStory(
  spec: Pick<
    SiteSpec,
    'layout' | 'jobs' | 'connection' | 'parallel' | 'local' | 'more' | 'connections' | 'nodepool'
  >,
  prepare: (gerrit: Gerrit) => Promise<void>,
): Promise<Story> {
  const dir = await mkdtemp(join(tmpdir(), 'stackgate-story-'));
  const gerrit = await startGerrit({ dir: join(dir, 'gerrit') });
  await prepare(gerrit);
  const stackgate = await startStackgate({ dir, gerrit, ...spec });
  return {
    gerrit,
    dir,
    siteFile: stackgate.siteFile,
    get client() {
      return stackgate.client;
    },
    log: () => stackgate.log(),
    reload: () => stackgate.reload(),
    restart: () => stackgate.restart(),
    async [Symbol.asyncDispose]() {
      await stackgate[Symbol.asyncDispose]();
      await gerrit[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Starts it in a folder, beside whatever Gerrit the specification names. Neither folder nor Gerrit end with it. */
export async function startStackgate(spec: SiteSpec): Promise<Stackgate> {
  const siteFile = await writeSite(spec);
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      lines.push(
        ...chunk
          .toString()
          .split('\n')
          .filter((line) => line !== ''),
      );
      done();
    },
  });
  const said = () => lines.slice(-20).join('\n');
  let running = await open(siteFile, sink, said);
  return {
    dir: spec.dir,
    siteFile,
    get client() {
      return running.client;
    },
    log: () => lines.map((line) => JSON.parse(line)),
    reload: () => running.reload(),
    async restart() {
      await running.stop();
      running = await open(siteFile, sink, said);
    },
    async [Symbol.asyncDispose]() {
      await running.stop();
    },
  };
}

interface Running {
  readonly client: Client;
  reload: Story['reload'];
  stop(): Promise<void>;
}

async function open(siteFile: string, sink: Writable, said: () => string): Promise<Running> {
  const ending = new AbortController();
  const { opening, read } = await openSite(siteFile, ending.signal);
  if (opening === undefined) throw new Error(renderProblems(read.problems));
  const { site, base } = opening;
  const log = pino({ base: null }, sink);
  const composition = compose(opening, 'test', log);
  const ended = runParts(composition.parts, {
    signal: ending.signal,
    grace: 10_000,
    log: (line) => log.info(line),
  });
  const client = await whenReady(siteFile, join(base, site.data), ended, said);
  return {
    client,
    async reload() {
      const outcome = await composition.reload('signal', ending.signal);
      const problems = outcome?.kind === 'refused' ? outcome.report : '';
      return { changed: outcome?.kind === 'applied', problems };
    },
    async stop() {
      ending.abort();
      await ended;
    },
  };
}

async function whenReady(
  siteFile: string,
  data: string,
  ended: Promise<number>,
  said: () => string,
): Promise<Client> {
  const over = ended.then((code) => {
    throw new Error(`it ended with ${code} before it was ready:\n${said()}`);
  });
  const ready = (async () => {
    while (true) {
      const own = await readFile(join(data, 'server.json'), 'utf8').catch(() => '');
      if (own.includes(`"pid":${process.pid}`)) {
        const client = connect({ config: siteFile });
        const health = await client.get('/readyz', HealthView).catch(() => undefined);
        if (health?.ready === true) return client;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`it was not ready within 60 s:\n${said()}`)), 60_000).unref();
  });
  return Promise.race([ready, over, late]);
}
