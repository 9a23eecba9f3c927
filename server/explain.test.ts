import type { FastifyInstance } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import type { Change } from '../pipelines/change.ts';
import type { GerritEvent } from '../pipelines/event.ts';
import { readLayout } from '../pipelines/layout/read.ts';
import type { SiteConfig } from '../pipelines/ports.ts';
import { defaultSettings } from '../pipelines/rules.ts';
import { house } from '../test/fakes/house.ts';
import { buildServer } from './app.ts';
import { ExplainView, ProblemView } from './contract.ts';
import type { ServerPorts } from './ports.ts';

const LAYOUT = `
pipelines:
  - name: check
    manager: independent
    trigger:
      gerrit:
        - event: patchset-created
        - event: comment-added
          comment: ^recheck
  - name: gate
    manager: dependent
    require: {approval: [{workflow: 1}]}
    trigger: {gerrit: {event: comment-added, approval: [{Workflow: 1}]}}
projects:
  - name: org/p
    check: [unit]
    gate: [unit]
`;

const change: Change = {
  connection: 'gerrit',
  project: 'org/p',
  number: '12',
  patchset: '3',
  currentPatchset: '3',
  branch: 'master',
  revision: 'a'.repeat(40),
  ref: 'refs/changes/12/12/3',
  changeId: '',
  subject: '',
  message: '',
  owner: {},
  url: '',
  status: 'NEW',
  wip: false,
  private: false,
  files: ['README'],
  parents: [],
  approvals: [],
  submitRecords: [],
  dependsOn: [],
  neededBy: [],
  fetchedAt: 0,
};

const open: FastifyInstance[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

function door(patch: Partial<ServerPorts> = {}): FastifyInstance {
  const { layout } = readLayout([{ name: 'layout.yaml', text: LAYOUT }], {
    dialect: 'stackgate',
    connections: { gerrit: 'gerrit' },
  });
  if (layout === undefined) throw new Error('the layout is wrong');
  const settings = { ...defaultSettings, accounts: { gerrit: ['ci'] } };
  const config: SiteConfig = { digest: 'd', layout, jobs: {}, needs: {}, settings };
  const app = buildServer({
    ...house().ports(),
    config: () => config,
    look: ({ number }) =>
      Promise.resolve(
        number === '12'
          ? { kind: 'found', change, related: [] }
          : { kind: 'absent', reason: `Gerrit knows no change ${number}` },
      ),
    ...patch,
  });
  open.push(app);
  return app;
}

const headers = { authorization: 'Bearer sesame' };
const ask = (app: FastifyInstance, url: string) => app.inject({ url: `/api/v1/explain/${url}`, headers });
const pipelines = (body: unknown) =>
  ExplainView.parse(body).explanation.children.map(({ text, verdict }) => `${verdict} ${text}`);

describe('the ledger as it arrived', () => {
  it('is streamed oldest first, over many pages, to who has a token', async () => {
    const test = house();
    const fact: GerritEvent = { kind: 'GerritEvent', at: 1, connection: 'gerrit', via: 'stream', type: 't' };
    const count = 1_203;
    for (let seq = 1; seq <= count; seq++) {
      const raw = seq % 100 === 0 ? {} : { raw: `{"seq":${seq}}` };
      test.ledger.push({ seq, key: `k${seq}`, filedAt: seq, aside: false, fact, ...raw });
    }
    const app = buildServer(test.ports());
    open.push(app);
    expect((await app.inject('/api/v1/events.ndjson')).statusCode).toBe(401);
    const answer = await app.inject({ url: '/api/v1/events.ndjson', headers });
    expect(answer.headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
    const lines = answer.body.trimEnd().split('\n');
    expect(lines).toHaveLength(count - 12);
    expect(lines.map((line) => Number(/\d+/.exec(line)?.[0]))).toEqual(
      test.ledger.filter(({ raw }) => raw !== undefined).map(({ seq }) => seq),
    );
  });
});

describe('explain at the door', () => {
  it('tells which pipelines would take a change as Gerrit has it', async () => {
    const answer = await ask(door(), '12,3');
    expect(answer.statusCode).toBe(200);
    expect(pipelines(answer.json())).toEqual(['yes pipeline check', 'no pipeline gate']);
    const { explanation } = ExplainView.parse(answer.json());
    expect(explanation).toMatchObject({ verdict: 'yes', place: 'layout.yaml:15:5' });
    expect(explanation.children[0]?.children.map(({ text }) => text)).toEqual([
      'started by patchset-created; or by comment-added with a comment that matches ^recheck',
      'job unit',
    ]);
  });

  it('supposes comments, votes and events, with the votes on the change', async () => {
    const app = door();
    expect(pipelines((await ask(app, '12?comment=recheck&user=jane')).json())).toEqual([
      'yes pipeline check',
      'no pipeline gate',
    ]);
    expect(pipelines((await ask(app, '12?comment=recheck&user=ci')).json())).toEqual([
      'no pipeline check',
      'no pipeline gate',
    ]);
    expect(pipelines((await ask(app, '12?vote=Workflow=1&vote=Code-Review=2&user=core')).json())).toEqual([
      'no pipeline check',
      'yes pipeline gate',
    ]);
    expect(pipelines((await ask(app, '12?type=patchset-created')).json())[0]).toBe('yes pipeline check');
  });

  it('refuses who has no token, what is no change, and what it cannot answer', async () => {
    const app = door();
    expect((await app.inject('/api/v1/explain/12')).statusCode).toBe(401);
    expect((await ask(app, 'x')).statusCode).toBe(400);
    expect((await ask(app, '12?vote=Workflow')).statusCode).toBe(400);
    const absent = await ask(app, '13');
    expect(absent.statusCode).toBe(404);
    expect(ProblemView.parse(absent.json())).toMatchObject({ code: 'unknown-change' });
    const cycle = door({ look: () => Promise.resolve({ kind: 'cycle', path: ['12', '13', '12'] }) });
    expect((await ask(cycle, '12')).json()).toMatchObject({ code: 'dependency-cycle', status: 422 });
    const away = door({ look: () => Promise.resolve({ kind: 'failed', reason: 'no answer' }) });
    expect((await ask(away, '12')).statusCode).toBe(503);
    expect((await ask(door({ config: () => undefined }), '12')).statusCode).toBe(503);
  });

  it('is in the OpenAPI document, its recursive answer included', async () => {
    const document: unknown = (await door().inject('/api/v1/openapi.json')).json();
    expect(document).toMatchObject({
      paths: { '/api/v1/explain/{change}': {} },
      components: { schemas: { Explained: { properties: { children: { type: 'array' } } } } },
    });
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map((match) => match[1]);
    for (const ref of refs) expect(document).toHaveProperty((ref ?? '').slice(2).split('/'));
    expect(refs).toContain('#/components/schemas/Explained');
  });
});
