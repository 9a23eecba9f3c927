import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gson } from './attributes.ts';
import { changeInfo, relatedInfo } from './changeinfo.ts';
import type { Account } from './model.ts';
import { current } from './model.ts';
import { QueryError } from './operators.ts';
import { postReview, ReviewInput } from './ops/review.ts';
import { submitChange } from './ops/submit.ts';
import { runQuery } from './query.ts';
import { Refusal, type Site } from './site.ts';

/**
 * The part of Gerrit's REST interface that a CI uses, with basic authentication, the guard line before JSON and refusals in
 * plain text. The knobs `review` and `rest` of the faults act on it.
 */
export interface RestDoor extends AsyncDisposable {
  /** With a trailing slash. */
  readonly url: string;
  /** Requests so far: method, path and User-Agent. */
  readonly requests: readonly { readonly line: string; readonly agent: string }[];
}

export async function openRestDoor(site: Site): Promise<RestDoor> {
  const requests: { line: string; agent: string }[] = [];
  const server = createServer((request, response) => {
    requests.push({
      line: `${request.method ?? ''} ${request.url ?? ''}`,
      agent: request.headers['user-agent'] ?? '',
    });
    void serve(site, request, response).catch((error: unknown) => {
      const refusal = error instanceof Refusal;
      const words = error instanceof Error ? error.message : String(error);
      if (!response.destroyed) response.writeHead(refusal ? error.status : 500).end(words);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function serve(site: Site, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const fault = site.faults.rest;
  if (fault !== null && fault.times > 0) {
    fault.times--;
    response.writeHead(fault.status, { ...fault.headers }).end('so it is');
    return;
  }
  const account = accountOf(site, request);
  if (account === undefined) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="Gerrit Code Review"' }).end('Unauthorized');
    return;
  }
  const url = new URL(request.url ?? '/', 'http://gerrit');
  // What was read is done, though nobody may wait for the answer any more.
  const body = await bodyOf(request);
  const slow = site.faults.slowCommand;
  if (slow !== null && commandLike(request).startsWith(slow.prefix)) await sleep(slow.ms);
  const answer = (json: unknown) => {
    response.writeHead(200, { 'content-type': 'application/json; charset=UTF-8' });
    response.end(`)]}'\n${gson(json)}\n`);
  };
  if (request.method === 'GET' && url.pathname === '/a/changes/') return answer(search(site, account, url));
  const [, project = '', number = '', patchset = '', what = ''] =
    /^\/a\/changes\/([^/~]+)~(\d+)\/revisions\/(\d+)\/(review|submit|related)$/.exec(url.pathname) ?? [];
  const change = site.state.changes.get(Number(number));
  const set = change?.patchsets.find((candidate) => candidate.number === Number(patchset));
  if (change === undefined || set === undefined || change.project !== decodeURIComponent(project))
    throw new Refusal(404, `Not found: ${decodeURIComponent(project)}~${number}`);
  if (what === 'related') return answer(relatedInfo(site.state, change, set));
  const act = async () => {
    if (what === 'submit') {
      if (set !== current(change)) throw new Refusal(409, `revision ${set.revision} is not current revision`);
      await submitChange(site, account, change.number);
    } else {
      await site.exclusive(async () =>
        postReview(site, account, change.number, set.number, ReviewInput.parse(JSON.parse(body))),
      );
    }
  };
  const lost = site.faults.review;
  if (lost === null || lost.times <= 0) {
    await act();
    return answer({});
  }
  lost.times--;
  if (lost.kind === 'refused') throw new Refusal(409, lost.text ?? 'internal server error');
  if (lost.kind === 'lost-after') await act();
  request.socket.destroy();
}

/** The command over SSH that a request stands for. */
function commandLike({ method, url = '' }: IncomingMessage): string {
  if (method === 'GET') return 'gerrit query';
  return url.endsWith('/submit') ? 'gerrit review --submit' : 'gerrit review';
}

function search(site: Site, account: Account, url: URL): unknown[] {
  const options = new Set(url.searchParams.getAll('o'));
  const start = Number(url.searchParams.get('S') ?? 0);
  const most = Math.min(site.options.queryLimit, Number(url.searchParams.get('n') ?? 25));
  try {
    const state = site.index();
    const found = runQuery(state, account, url.searchParams.get('q') ?? '', site.now(), start, most);
    const infos = found.changes.map((change) => changeInfo(state, change, options));
    const last = infos.at(-1);
    if (found.moreChanges && last !== undefined) last['_more_changes'] = true;
    return infos;
  } catch (error) {
    if (error instanceof QueryError) throw new Refusal(400, error.message);
    throw error;
  }
}

function accountOf(site: Site, request: IncomingMessage): Account | undefined {
  const [, encoded = ''] = /^Basic (\S+)$/.exec(request.headers.authorization ?? '') ?? [];
  const [username = '', ...password] = Buffer.from(encoded, 'base64').toString().split(':');
  const account = site.state.accounts.get(username);
  const known = account?.httpPassword;
  return known !== undefined && known === password.join(':') ? account : undefined;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk);
  return text;
}
