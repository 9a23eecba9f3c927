import { z } from 'zod';
import { Fault } from '../pipelines/fault.ts';
import type { CodeReview, Store } from '../pipelines/ports.ts';
import { crashpoint } from './crashpoint.ts';
import type { Hand } from './handle.ts';
import { type SmtpSettings, smtpMailer } from './publishers/mailer.ts';

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
    const { id, from, to, subject, message } = action;
    await smtpMailer(settings, site).send({
      id,
      ...(from === undefined ? {} : { from }),
      to: [to ?? settings.defaultTo],
      replyTo: [],
      subject,
      body: message,
      html: false,
      attachments: [],
    });
    crashpoint('mail.send.after');
    await effects.saveEffect(action.id, { phase: 'sent' });
    crashpoint('mail.record.after');
  };
}
