import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { changeView } from '../changes.ts';
import { configView } from '../config.ts';
import {
  ChangeView,
  ConfigView,
  ExplainParams,
  JobList,
  JobView,
  LedgerQuery,
  LedgerView,
} from '../contract.ts';
import { findJob, listJobs } from '../jobs.ts';
import type { ServerPorts } from '../ports.ts';
import type { Snapshots } from '../snapshot.ts';

const mostSweeps = 50;

/** What pages show beside builds and queues: changes, jobs, the ledger as a whole, the configuration. */
export function addViews(app: FastifyInstance, ports: ServerPorts, snapshot: Snapshots): void {
  const typed = app.withTypeProvider<ZodTypeProvider>();
  typed.get(
    '/api/v1/changes/:change',
    {
      schema: {
        summary: 'A change: where it is now, its past turns, its builds, what was said on it',
        tags: ['status'],
        params: ExplainParams,
        response: { 200: ChangeView },
      },
    },
    (request) => changeView(ports, snapshot, request.params.change),
  );
  typed.get(
    '/api/v1/jobs',
    { schema: { summary: 'All jobs, and how they did lately', tags: ['jobs'], response: { 200: JobList } } },
    () => listJobs(ports),
  );
  typed.get(
    '/api/v1/jobs/:name',
    {
      schema: {
        summary: 'One job: what it takes, when it runs, how it did lately',
        tags: ['jobs'],
        params: z.object({ name: z.string().max(500) }),
        response: { 200: JobView },
      },
    },
    (request) => findJob(ports, request.params.name),
  );
  typed.get(
    '/api/v1/ledger',
    {
      schema: {
        summary: 'Whether anything was missed: counts of the ledger, and comparisons with Gerrit',
        tags: ['events'],
        querystring: LedgerQuery,
        response: { 200: LedgerView },
      },
    },
    async (request) => {
      const { since } = request.query;
      const [tally, sweeps] = await Promise.all([ports.history.tally(since), ports.sweeps(mostSweeps)]);
      const shown = sweeps.map((sweep) => ({ ...sweep, failed: sweep.failed ?? null }));
      return { since, ...tally, sweeps: shown };
    },
  );
  typed.get(
    '/api/v1/config',
    {
      schema: {
        summary: 'The configuration in force, and what was wrong when it was last read',
        tags: ['jobs'],
        response: { 200: ConfigView },
      },
    },
    () => configView(ports, snapshot),
  );
}
