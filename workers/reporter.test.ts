import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MailAction, ReportAction } from '../pipelines/action.ts';
import { stopped } from '../pipelines/fault.ts';
import { memoryStore } from './memory/store.ts';
import { SmtpSettings } from './publishers/mailer.ts';
import { fetchHand, mailHand, reportHand } from './reporter.ts';

/** A mail server that speaks just enough SMTP, and may hang up after it took a mail. */
async function startSmtp(): Promise<{
  server: Server;
  port: number;
  mails: string[];
  hangUp: { times: number };
}> {
  const mails: string[] = [];
  const hangUp = { times: 0 };
  const server = createServer((socket) => {
    socket.setEncoding('utf8');
    socket.on('error', () => undefined);
    let text = '';
    let inData = false;
    socket.write('220 here\r\n');
    socket.on('data', (chunk: string) => {
      text += chunk;
      for (;;) {
        const mark = inData ? '\r\n.\r\n' : '\r\n';
        const end = text.indexOf(mark);
        if (end < 0) return;
        const part = text.slice(0, end);
        text = text.slice(end + mark.length);
        if (inData) {
          inData = false;
          mails.push(part);
          hangUp.times -= 1;
          if (hangUp.times >= 0) socket.destroy();
          else socket.write('250 taken\r\n');
        } else if (part === 'DATA') {
          inData = true;
          socket.write('354 go\r\n');
        } else if (part === 'QUIT') socket.end('221 bye\r\n');
        else socket.write('250 ok\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, mails, hangUp, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

const never = new AbortController().signal;
const mail: MailAction = {
  kind: 'mail',
  id: 'mail-1',
  connection: 'smtp',
  to: 'ops@example.org',
  subject: 'Build failed\r\nBcc: everybody@example.org',
  message: 'Grüße\n.\nend',
};

describe('mail', () => {
  let smtp: Awaited<ReturnType<typeof startSmtp>>;
  beforeEach(async () => {
    smtp = await startSmtp();
  });
  afterEach(() => new Promise((resolve) => smtp.server.close(resolve)));
  const hand = (store = memoryStore()) =>
    mailHand(
      new Map([
        [
          'smtp',
          SmtpSettings.parse({ connection: 'smtp', server: '127.0.0.1', port: smtp.port, deadline: 2_000 }),
        ],
      ]),
      store,
      'ci.example.org',
    );

  it('is sent once, with headers that no text can break out of', async () => {
    const send = hand();
    await send(mail, never);
    await send(mail, never);
    expect(smtp.mails).toHaveLength(1);
    const [head = ''] = smtp.mails[0]?.split('\r\n\r\n') ?? [];
    expect(head).toContain('Message-ID: <mail-1@ci.example.org>');
    expect(head).toContain('Subject: Build failed Bcc: everybody@example.org');
    expect(head).not.toMatch(/^Bcc:/m);
    expect(head).toContain('From: zuul@localhost');
  });

  it('carries the same Message-ID when nobody knows whether it was taken', async () => {
    smtp.hangUp.times = 1;
    const send = hand();
    await expect(send(mail, never)).rejects.toMatchObject({ code: 'mail-away', retry: true });
    await send(mail, never);
    expect(smtp.mails).toHaveLength(2);
    expect(smtp.mails.every((text) => text.includes('Message-ID: <mail-1@ci.example.org>'))).toBe(true);
  });

  it('is not sent when it was cancelled before', async () => {
    await expect(hand()(mail, AbortSignal.abort(stopped('superseded')))).rejects.toMatchObject({
      code: 'stopped',
    });
    expect(smtp.mails).toEqual([]);
  });
});

describe('a connection that the site does not have', () => {
  it('is an answer, not a loop', async () => {
    const report: ReportAction = {
      kind: 'report',
      id: 'report-1',
      connection: 'gone',
      project: 'p',
      branch: 'master',
      number: '1',
      patchset: '1',
      revision: 'r',
      pipeline: 'check',
      phase: 'success',
      message: 'm',
      labels: {},
      submit: false,
    };
    expect(await reportHand(new Map(), () => undefined)(report, never)).toMatchObject({ kind: 'refused' });
    const fetch = {
      kind: 'fetch' as const,
      id: 'f',
      connection: 'gone',
      number: '1',
      expect: {},
      dependents: false,
    };
    expect(await fetchHand(new Map())(fetch, never)).toMatchObject({ kind: 'failed' });
  });
});
