import { createTransport } from 'nodemailer';
import { z } from 'zod';
import type { MailAction } from '../pipelines/action.ts';
import { Fault } from '../pipelines/fault.ts';
import type { CodeReview, Store } from '../pipelines/ports.ts';
import { crashpoint } from './crashpoint.ts';
import type { Hand } from './handle.ts';

/** The hands that talk to people and to Gerrit: `fetch`, `report` and `mail`, each "action in, outcome out". */

export type Reviews = ReadonlyMap<string, CodeReview>;

export function fetchHand(reviews: Reviews): Hand<'fetch'> {
  return async (action, signal) => {
    const review = reviews.get(action.connection);
    if (review === undefined) return { kind: 'failed', reason: noConnection(action.connection) };
    return await review.fetch(action, signal);
  };
}

/** `alarm` is told what a person must look at. */
export function reportHand(reviews: Reviews, alarm: (text: string) => void): Hand<'report'> {
  return async (action, signal) => {
    const review = reviews.get(action.connection);
    if (review === undefined) return { kind: 'refused', reason: noConnection(action.connection) };
    const outcome = await review.report(action, signal);
    if (outcome.kind === 'posted' && outcome.alarm !== undefined) alarm(outcome.alarm);
    return outcome;
  };
}

function noConnection(name: string): string {
  return `the site has no connection named ${name}`;
}

export const SmtpSettings = z.object({
  connection: z.string(),
  server: z.string().default('localhost'),
  port: z.number().int().min(1).max(65_535).default(25),
  /** TLS from the first byte; STARTTLS is used anyway where the server offers it. */
  tls: z.boolean().default(false),
  user: z.string().optional(),
  password: z.string().optional(),
  defaultFrom: z.string().default('zuul'),
  defaultTo: z.string().default('zuul'),
  deadline: z.number().int().positive().default(30_000),
});
export type SmtpSettings = z.infer<typeof SmtpSettings>;

const Sent = z.object({ phase: z.literal('sent') });

/**
 * Mail is sent at least once: SMTP cannot be read back. A mail that had to be sent again carries the same Message-ID (made
 * from the action), by which mail systems drop the second copy.
 */
export function mailHand(
  smtp: ReadonlyMap<string, SmtpSettings>,
  effects: Pick<Store, 'effect' | 'saveEffect'>,
  site: string,
): Hand<'mail'> {
  return async (action, signal) => {
    const settings = smtp.get(action.connection);
    if (settings === undefined) throw new Fault('config-invalid', noConnection(action.connection));
    if (Sent.safeParse(await effects.effect(action.id)).success) return;
    if (signal.aborted) throw signal.reason;
    crashpoint('mail.send.before');
    await sendMail(action, settings, site);
    crashpoint('mail.send.after');
    await effects.saveEffect(action.id, { phase: 'sent' });
    crashpoint('mail.record.after');
  };
}

async function sendMail(action: MailAction, settings: SmtpSettings, site: string): Promise<void> {
  const { user, password, deadline } = settings;
  const transport = createTransport({
    host: settings.server,
    port: settings.port,
    secure: settings.tls,
    connectionTimeout: deadline,
    greetingTimeout: deadline,
    socketTimeout: deadline,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
  });
  try {
    await transport.sendMail({
      messageId: `<${action.id}@${site.replace(/[^A-Za-z0-9.-]/g, '-') || 'stackgate'}>`,
      from: address(action.from ?? settings.defaultFrom),
      to: address(action.to ?? settings.defaultTo),
      subject: oneLine(action.subject),
      text: action.message,
      headers: { 'Auto-Submitted': 'auto-generated' },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Fault('mail-away', `mail server ${settings.server}:${settings.port}: ${reason}`, {
      retry: true,
      cause,
    });
  } finally {
    transport.close();
  }
}

/** A bare user name, as Zuul's defaults are, is somebody on the mail server's own machine. */
function address(text: string): string {
  const plain = oneLine(text);
  return plain.includes('@') ? plain : `${plain}@localhost`;
}

/** No header grows a second line. */
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is replaced
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
}
