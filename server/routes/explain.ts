import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Change } from '../../pipelines/change.ts';
import { type Explained, explainChange, explainEvent } from '../../pipelines/explain.ts';
import type { SiteConfig } from '../../pipelines/ports.ts';
import { parseVote, suppose } from '../../pipelines/suppose.ts';
import type { Guard } from '../auth.ts';
import { ExplainParams, ExplainQuery, ExplainView } from '../contract.ts';
import type { ServerPorts } from '../ports.ts';
import { Refusal } from '../problem.ts';

const DEADLINE = 25_000;

/**
 * Why a change is or is not tested. It needs a token although it only reads: each answer asks Gerrit once, with the rights
 * of our account, which may see changes that the reader may not.
 */
export function addExplain(app: FastifyInstance, ports: ServerPorts, guard: Guard): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/explain/:change',
    {
      onRequest: async (request) => {
        guard(request);
      },
      schema: {
        summary: 'Which pipelines want a change or an event, which jobs run, and the rules that decide',
        tags: ['requests'],
        params: ExplainParams,
        querystring: ExplainQuery,
        response: { 200: ExplainView },
      },
    },
    async (request) => {
      const { config } = ports;
      const inForce = config();
      if (inForce === undefined)
        throw new Refusal(503, 'no-configuration', 'no configuration is in force yet');
      const [number = '', patchset] = request.params.change.split(',');
      const { connection } = request.query;
      const of = {
        number,
        ...(patchset === undefined ? {} : { patchset }),
        ...(connection === undefined ? {} : { connection }),
      };
      const outcome = await ports.look(of, AbortSignal.timeout(DEADLINE));
      switch (outcome.kind) {
        case 'found':
          return { explanation: explain(inForce, outcome.change, request.query, ports.now()), notes: [] };
        case 'cycle':
          throw new Refusal(
            422,
            'dependency-cycle',
            `change ${number} cannot be tested, since it needs itself: ${outcome.path.join(' → ')}`,
          );
        case 'absent':
          throw new Refusal(404, 'unknown-change', outcome.reason, 'may the account of this CI see it?');
        case 'failed':
          throw new Refusal(503, 'gerrit-away', outcome.reason);
      }
      return outcome satisfies never;
    },
  );
}

function explain(config: SiteConfig, change: Change, query: ExplainQuery, now: number): Explained {
  const { user, email, comment } = query;
  const votes = query.vote.map((text) => {
    const vote = parseVote(text);
    if (vote !== undefined) return vote;
    throw new Refusal(400, 'invalid-request', `vote ${JSON.stringify(text)} is not of the form LABEL=VALUE`);
  });
  const type = query.type ?? (comment === undefined && votes.length === 0 ? undefined : 'comment-added');
  if (type === undefined) return explainChange(config.layout, change, now);
  const by = {
    ...(user === undefined ? {} : { username: user }),
    ...(email === undefined ? {} : { email }),
  };
  const supposed = suppose(change, { type, by, votes, ...(comment === undefined ? {} : { comment }) }, now);
  return explainEvent(config.layout, supposed.event, supposed.change, now, config.settings);
}
