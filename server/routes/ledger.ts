import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Guard } from '../auth.ts';
import { LedgerQuery } from '../contract.ts';
import type { ServerPorts } from '../ports.ts';

/** Entries that are in memory at a time. */
const PAGE = 500;

/**
 * The ledger as it arrived: the lines of Gerrit's stream, oldest first, for `stackgate simulate`. It needs a token, since
 * the lines tell of changes that not everybody may see.
 */
export function addLedger(app: FastifyInstance, ports: ServerPorts, guard: Guard): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/events.ndjson',
    {
      onRequest: async (request) => {
        guard(request);
      },
      schema: {
        summary: "Lines of Gerrit's event stream as they arrived, oldest first",
        tags: ['events'],
        querystring: LedgerQuery,
        produces: ['application/x-ndjson'],
      },
    },
    async (request, reply) =>
      reply
        .type('application/x-ndjson; charset=utf-8')
        .header('cache-control', 'no-store')
        .send(Readable.from(rawLines(ports.history, request.query.since), { objectMode: false })),
  );
}

/** The history answers newest first, so the pages are counted on the way back and read on the way forth. */
async function* rawLines(history: ServerPorts['history'], since: number): AsyncIterable<string> {
  const page = (before: number | undefined) =>
    history.ledger({ kind: 'GerritEvent', since, limit: PAGE, ...(before === undefined ? {} : { before }) });
  const tops: (number | undefined)[] = [];
  for (let top: number | undefined, more = true; more; ) {
    const entries = await page(top);
    tops.push(top === undefined && entries[0] !== undefined ? entries[0].seq + 1 : top);
    more = entries.length === PAGE;
    top = entries.at(-1)?.seq;
  }
  for (const top of tops.reverse()) {
    const entries = await page(top);
    for (const { raw } of entries.reverse()) if (raw !== undefined) yield `${raw.trimEnd()}\n`;
  }
}
