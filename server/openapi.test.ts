import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { house, liveBuild, pastBuild } from '../test/fakes/house.ts';
import { buildServer } from './app.ts';

/** The document against the routes: nothing is there that is not said, nothing is said that is not there. */

const Doc = z.object({
  openapi: z.string(),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        summary: z.string(),
        tags: z.array(z.string()).optional(),
        security: z.array(z.unknown()).optional(),
        responses: z.record(z.string(), z.unknown()),
      }),
    ),
  ),
});

const test = house();
test.live = [liveBuild('f'.repeat(32))];
test.past = [pastBuild(1, 1_000)];
const app = buildServer(test.ports());
afterAll(() => app.close());

/** Pages, files and the document itself are no API. */
const noApi =
  /^\/(?:$|builds?\b|change\b|ledger$|jobs?\b|nodes$|config$|run$|assets\/|logs\b|style\.css$|\*$)|openapi\.json$/;

async function document() {
  return Doc.parse((await app.inject('/api/v1/openapi.json')).json());
}

/** Method and path of every route, from the router itself. */
async function routes(): Promise<string[]> {
  await app.ready();
  const lines = app.printRoutes({ commonPrefix: false }).split('\n');
  const found: string[] = [];
  const stack: { depth: number; path: string }[] = [];
  for (const line of lines) {
    const match = /^(.*?)[├└]── (\S*)(?: \(([A-Z, ]+)\))?/.exec(line);
    if (match === null) continue;
    const [, indent = '', part = '', methods = ''] = match;
    while ((stack.at(-1)?.depth ?? -1) >= indent.length) stack.pop();
    const path = `${stack.at(-1)?.path ?? ''}${part}`;
    stack.push({ depth: indent.length, path });
    for (const method of methods.split(', '))
      if (['GET', 'POST'].includes(method)) found.push(`${method} ${path}`);
  }
  return found;
}

describe('the OpenAPI document', () => {
  it('is OpenAPI 3.1 and names every route of the API, with a summary and what goes wrong', async () => {
    const { openapi, paths } = await document();
    expect(openapi).toBe('3.1.0');
    const said = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
    );
    const there = (await routes()).filter((route) => !noApi.test(route.replace(/^\w+ /, '')));
    expect(there.length).toBeGreaterThan(20);
    expect(said.toSorted()).toEqual(there.toSorted());
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        expect([path, method, operation.summary.length > 5]).toEqual([path, method, true]);
        expect([path, method, Object.keys(operation.responses)]).toEqual([
          path,
          method,
          expect.arrayContaining(['default']),
        ]);
        if (method === 'post') expect([path, operation.security]).toEqual([path, [{ token: [] }]]);
      }
    }
  });

  it('says of each route that needs a token that it does, and of no other', async () => {
    const { paths } = await document();
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const url = path.replace(/\{\w+\}/g, '1');
        if (/console|\/live/.test(url)) continue;
        const { statusCode } = await app.inject({ url, method: method === 'post' ? 'POST' : 'GET' });
        expect([path, method, statusCode === 401]).toEqual([path, method, operation.security !== undefined]);
      }
    }
  });
});
